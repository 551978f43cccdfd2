"""Algorithms of d3rlpy, and which of its settings are those of ours.

d3rlpy is imported when one of them is used, never here.
"""

from bench.external.d3rlpy import d3rlpy_algorithm

D3RLPY = {
    "d3rlpy/bc": d3rlpy_algorithm("BCConfig", "Behaviour cloning, by d3rlpy", "imitation"),
    "d3rlpy/td3_bc": d3rlpy_algorithm(
        "TD3PlusBCConfig", "TD3 with behaviour cloning (TD3+BC), by d3rlpy", "behaviour regularization"
    ),
    "d3rlpy/iql": d3rlpy_algorithm(
        "IQLConfig", "Implicit Q-learning (IQL), by d3rlpy", "weighted regression"
    ),
    "d3rlpy/cql": d3rlpy_algorithm(
        "CQLConfig", "Conservative Q-learning (CQL), by d3rlpy", "pessimistic values"
    ),
    "d3rlpy/rebrac": d3rlpy_algorithm(
        "ReBRACConfig", "TD3+BC with tuned design choices (ReBRAC), by d3rlpy", "behaviour regularization"
    ),
    "d3rlpy/awac": d3rlpy_algorithm(
        "AWACConfig", "Advantage-weighted actor-critic (AWAC), by d3rlpy", "weighted regression"
    ),
    "d3rlpy/bcq": d3rlpy_algorithm(
        "BCQConfig", "Batch-constrained Q-learning (BCQ), by d3rlpy", "support constraint"
    ),
    "d3rlpy/bear": d3rlpy_algorithm(
        "BEARConfig", "Bootstrapping error reduction (BEAR), by d3rlpy", "support constraint"
    ),
    "d3rlpy/crr": d3rlpy_algorithm(
        "CRRConfig", "Critic-regularized regression (CRR), by d3rlpy", "weighted regression"
    ),
    "d3rlpy/plas": d3rlpy_algorithm(
        "PLASConfig", "Policy in the latent action space (PLAS), by d3rlpy", "support constraint"
    ),
    "d3rlpy/prdc": d3rlpy_algorithm(
        "PRDCConfig", "TD3 regularized by nearest neighbours (PRDC), by d3rlpy", "behaviour regularization"
    ),
    "d3rlpy/cal_ql": d3rlpy_algorithm(
        "CalQLConfig", "Calibrated Q-learning (Cal-QL), offline phase, by d3rlpy", "pessimistic values"
    ),
}


def _actor_and_critic(config):
    return {"gamma": config.discount, "tau": config.target_rate}


def _bc(config):
    return "BCConfig", {}


def _td3_bc(config):
    own = {"alpha": config.alpha, "update_actor_interval": config.actor_delay}
    return "TD3PlusBCConfig", _actor_and_critic(config) | own


def _iql(config):
    own = {"expectile": config.expectile, "weight_temp": config.beta}
    return "IQLConfig", _actor_and_critic(config) | own


def _cql(config):
    """With the weight of the conservative term fixed where ours is."""
    own = {
        "conservative_weight": config.alpha,
        "n_action_samples": config.sampled_actions,
        "alpha_learning_rate": 0.0 if config.lagrange_gap is None else config.lr,
    }
    return "CQLConfig", _actor_and_critic(config) | own


def _rebrac(config):
    own = {
        "actor_beta": config.actor_bc_coef,
        "critic_beta": config.critic_bc_coef,
        "update_actor_interval": config.actor_delay,
    }
    return "ReBRACConfig", _actor_and_critic(config) | own


# For `bench speed --against`: our algorithm -> of its configuration, the class and the options of d3rlpy's.
COUNTERPARTS = {
    "d3rlpy": {"bc": _bc, "td3_bc": _td3_bc, "iql": _iql, "cql": _cql, "rebrac": _rebrac},
}
