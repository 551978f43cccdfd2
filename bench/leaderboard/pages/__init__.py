"""What each kind of page shows: a function of the statistics that fills a template."""
