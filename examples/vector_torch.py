"""The vector interface without copies, and a learner in plain torch: a GRU trained by advantage actor-critic.

    pip install . torch
    python examples/vector_torch.py                  # about a minute on two cores
    python examples/vector_torch.py --updates 20     # only to see it run

The environments write into the same arrays at every step, so the tensors over them are made once.
"""

import argparse
import time

import numpy as np
import torch
from torch import nn

import lethe

ENV, NUM_ENVS, UNROLL = "Corridor-Short-v0", 128, 32
DISCOUNT, TRACE, ENTROPY_COST, VALUE_COST = 0.98, 0.95, 0.01, 0.5


class Agent(nn.Module):
    """Tokens to a sum of embeddings, a GRU for the memory, logits and value."""

    def __init__(self, task: lethe.Task, width: int = 64):
        super().__init__()
        vocabularies = torch.tensor([token.vocabulary for token in task.tokens])
        self.register_buffer("first", vocabularies.cumsum(0) - vocabularies)
        self.embed = nn.EmbeddingBag(int(vocabularies.sum()), width, mode="sum")
        self.memory = nn.GRUCell(width, width)
        self.heads = nn.Linear(width, len(task.actions) + 1)

    def forward(self, observations, state, episode_start):
        """uint8 [B, tokens], [B, width], bool [B] -> distribution of actions, value [B], the next state."""
        state = self.memory(torch.tanh(self.embed(self.first + observations)), state * ~episode_start[:, None])
        heads = self.heads(state)
        return torch.distributions.Categorical(logits=heads[:, :-1]), heads[:, -1], state


def advantages(rewards, values, last_value, goes_on):
    """Generalised advantage estimates [T, B]; goes_on is 0 where an episode ended."""
    result, trace = torch.empty_like(rewards), torch.zeros_like(last_value)
    next_values = torch.cat([values[1:], last_value[None]])
    for t in reversed(range(len(rewards))):
        error = rewards[t] + DISCOUNT * goes_on[t] * next_values[t] - values[t]
        trace = error + DISCOUNT * TRACE * goes_on[t] * trace
        result[t] = trace
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--updates", type=int, default=800, help=f"of {NUM_ENVS * UNROLL} environment steps each")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)  # the batches are too small for more

    env = lethe.make_vec(ENV, NUM_ENVS, seed=arguments.seed, autoreset_mode="same_step")
    task = env.task
    print(f"{ENV}: oracle {task.oracle_score}, without memory {task.memoryless_score}, random {task.random_score}")

    # Views of the environment's own memory: after each step they show the new values.
    arrays = env.reset()[0], *env.step(env.oracle())[1:4], env.episode_start
    observations, rewards, terminated, truncated, episode_start = map(torch.from_numpy, arrays)
    env.reset()

    agent = Agent(task)
    optimizer = torch.optim.Adam(agent.parameters(), lr=2e-3)
    state = torch.zeros(NUM_ENVS, agent.memory.hidden_size)
    successes, start = [], time.monotonic()
    for update in range(1, arguments.updates + 1):
        steps = []
        state = state.detach()
        for _ in range(UNROLL):
            policy, value, state = agent(observations, state, episode_start)
            action = policy.sample()
            _, _, _, _, infos = env.step(action.numpy())
            goes_on = 1 - (terminated | truncated).float()
            steps.append((policy.log_prob(action), policy.entropy(), value, rewards.clone(), goes_on))
            if infos:
                final = infos["final_info"]
                successes.extend(final["success"][final["_success"]])
        log_probs, entropies, values, all_rewards, all_goes_on = map(torch.stack, zip(*steps))
        with torch.no_grad():
            last_value = agent(observations, state, episode_start)[1]
            advantage = advantages(all_rewards, values, last_value, all_goes_on)
        policy_loss = -(log_probs * advantage).mean()
        value_loss = (values - (values + advantage).detach()).square().mean()
        loss = policy_loss + VALUE_COST * value_loss - ENTROPY_COST * entropies.mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
        optimizer.step()
        if update % max(1, arguments.updates // 10) == 0:
            env_steps, seconds = update * NUM_ENVS * UNROLL, time.monotonic() - start
            print(f"{env_steps:9,} steps  {seconds:4.0f} s  score {np.mean(successes[-1000:]):.3f}", flush=True)


if __name__ == "__main__":
    main()
