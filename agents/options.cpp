#include "agents/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "agents/read_options.h"
#include "agents/rollout.h"
#include "envs/last_action.h"

namespace lethe::agents {

namespace {

using configs::Any;
using configs::OneOf;
using configs::Options;
using configs::Range;

constexpr double kMany = 1e15;

void VisitTrain(RunOptions& o, Options& v) {
  auto& t = o.train;
  auto& l = o.loss;
  v("num_envs", t.num_envs, Range{1, 65536}, "environments over all actors; a multiple of actors");
  v("actors", t.actors, Range{1, 256}, "actor threads");
  v("learner_threads", t.learner_threads, Range{1, 256}, "threads that compute gradients, each on whole rollouts");
  v("unroll_length", t.unroll_length, Range{1, 4096}, "steps of a rollout");
  v("max_policy_lag", t.max_policy_lag, Range{0, 64},
    "0: A2C, actors wait for new parameters; more: IMPALA, most updates between acting and learning");
  v("queue_gigabytes", t.queue_gigabytes, Range{1e-6, 1e6},
    "memory that the rollouts waiting for the learner may take; longer rollouts are refused");
  v("max_steps", t.max_steps, Range{0, kMany}, "environment steps of learning, each time");
  v("max_minutes", t.max_minutes, Range{0, 1e6},
    "checkpoint and exit after this time, whatever the phase; 0: no limit");
  v("target_score", t.target_score, Range{0, 1e9},
    "learning ends early at this mean score with the curriculum at its end; 0: never");
  v("target_episodes", t.target_episodes, Range{1, 1e6}, "episodes the target score is taken over");
  v("discount", l.returns.discount, Range{0, 1}, "gamma");
  v("lambda", l.returns.lambda, Range{0, 1}, "of V-trace and GAE; 1: n-step returns");
  v("clip_rho", l.returns.clip_rho, Range{0, 1e6}, "largest importance ratio of a temporal difference");
  v("clip_c", l.returns.clip_c, Range{0, 1e6}, "largest importance ratio of the trace");
  v("value_weight", l.loss.value, Range{0, 1e6}, "of the squared error of the values");
  v("value_clip", l.loss.value_clip, Range{0, 1e9},
    "values further than this from those of the acting policy are not pushed further away; 0: no clip. Without policy "
    "lag the two are equal");
  v("entropy_weight", l.loss.entropy, Range{0, 1e6}, "of the entropy bonus");
  v("normalise_advantages", l.normalise_advantages, Any{}, "to mean 0 and deviation 1 over each batch");
  v("normalise_values", l.normalise_values, Any{},
    "while learning, where returns spread by more than 1, errors of values count relative to that: large rewards do "
    "not drown the policy");
  v("span_loss", l.span_loss, OneOf{{"all", "ramp"}},
    "what is charged: all new memories, or (published code) only those on the ramp");
  v("span_weight", l.span_weight, Range{0, 1e6},
    "alpha of the span loss while learning and cloning; 0: memory is free");
  v("span_rate", t.span_rate, Range{0, 1e3}, "learning rate of the span predictors, relative to learning_rate");
}

void VisitClone(RunOptions::Clone& c, Options& v) {
  v("max_steps", c.max_steps, Range{0, kMany}, "environment steps of cloning, with the curriculum at its end; 0: none");
  v("teacher", c.teacher, OneOf{{"oracle", "scout"}},
    "whose actions are learnt; scout: of a player that knows no more than was observed and shows how to look for "
    "things");
  v("actor", c.actor, OneOf{{"oracle", "policy"}},
    "who acts; oracle: the teacher; policy: it learns what the teacher would do in the states that it gets into itself "
    "(DAgger)");
  v("accept_ties", c.accepts_ties, Any{}, "whatever the scout holds as good as its action is right too");
  v("value_weight", c.loss.value_weight, Range{0, 1e6}, "of the squared error of the values");
  v("explain_weight", c.loss.explain_weight, Range{0, 1e6},
    "of the nats by which the policy misses what the scout is after, summed over the tokens that tell it: 0.2 to 1 was "
    "tried; 0: it is not asked");
  v.Section(
      "optimizer", [&c](Options& inner) { VisitOptimizer(c.optimizer, inner); }, "optimiser while cloning");
}

void VisitConsolidate(RunOptions& o, Options& v) {
  auto& c = o.consolidate;
  v("max_steps", c.max_steps, Range{0, kMany}, "environment steps of consolidation; 0: none");
  v("budget", c.price.budget, Range{0, kMany},
    "living memories to which every layer is charged down and no further; 0: as few as the tolerance allows");
  v("tolerance", c.price.tolerance, Range{1e-9, 1e3}, "nats per episode the student may differ from its teacher");
  v("final_tolerance", c.price.final_tolerance, Range{0, 1e3},
    "tolerance falls geometrically to this over the phase; 0: it stays");
  v("value_weight", c.price.value_weight, Range{0, 1e6}, "of the squared difference of the values");
  v("layer_factor", c.price.layer_factor, Range{1e-3, 1e3}, "price of a layer's memories relative to the layer below");
  v("layer_delay", c.price.layer_delay, Range{0, 1}, "the next lower layer is charged after this share of the phase");
  v("alpha_start", c.price.alpha_start, Range{1e-9, 1}, "first price of memory");
  v("alpha_min", c.price.alpha_min, Range{1e-12, 1}, "the price never falls below this");
  v("alpha_rate", c.price.alpha_rate, Range{0, 10}, "how fast the price follows the difference; 0: it stays");
  v("initial_span", c.initial_span, Range{0, 0.999999},
    "spans start again at this share of memory.span_limit and grow where the teacher needs them; 0: they go on");
  v("sharpen", c.sharpen, Range{1, 100},
    "at the start, spans above half the limit move towards it, shorter ones towards nothing; 1: they stay");
  v("span_rate", c.span_rate, Range{0, 1e3}, "learning rate of the span predictors, relative to learning_rate");
}

void VisitLog(RunOptions::Log& o, Options& v) {
  v("interval_updates", o.interval_updates, Range{1, 1e9}, "updates between lines of metrics.jsonl");
  v("checkpoint_interval_steps", o.checkpoint_interval_steps, Range{1, kMany}, "environment steps between checkpoints");
  v("keep_checkpoints", o.keep_checkpoints, Range{1, 1e6}, "newest checkpoints that stay on disk");
  v("eval_episodes", o.eval_episodes, Range{0, 1e9}, "episodes of the evaluation at the end; 0: none");
  v("live_seconds", o.live_seconds, Range{0, 1e6}, "seconds between updates of live.safetensors; 0: never");
}

void Require(bool ok, const std::string& message) {
  if (!ok) throw std::invalid_argument(message);
}

}  // namespace

void VisitCurriculum(CurriculumOptions& o, Options& v) {
  v("start", o.start, Range{0, kMany},
    "first value of the curriculum parameter of environment or task; 0: no curriculum");
  v("end", o.end, Range{0, kMany}, "last value; 0: what the environment or task is set to");
  v("factor", o.factor, Range{1, 100}, "growth at every success");
  v("threshold", o.threshold, Range{-1e9, 1e9}, "mean score that counts as success");
  v("retreat", o.retreat, Range{-1e9, 1e9}, "below this mean score levels get easier again; 0: never");
  v("episodes", o.episodes, Range{1, 1e6}, "episodes, or a task's sequences, that the mean is taken over");
}

void VisitOptimizer(OptimizerOptions& o, Options& v) {
  v("kind", o.kind, OneOf{{"adam", "rmsprop"}}, "how gradients become steps");
  v("learning_rate", o.learning_rate, Range{0, 10}, "step size");
  v("beta1", o.beta1, Range{0, 0.999999}, "adam: decay of the mean gradient");
  v("beta2", o.beta2, Range{0, 0.999999}, "decay of the mean square gradient (rmsprop's alpha)");
  v("epsilon", o.epsilon, Range{1e-15, 1}, "added to the root of the mean square");
  v("max_grad_norm", o.max_grad_norm, Range{0, 1e9}, "gradients are scaled down to this norm; 0: never");
  v("warmup_updates", o.warmup_updates, Range{0, kMany}, "the rate grows linearly over so many updates");
  v("schedule", o.schedule, OneOf{{"constant", "linear", "cosine"}},
    "linear, cosine: falls to 0 at the phase's last step");
}

void RunOptions::Visit(Options& v) {
  v("seed", seed, Range{0, 9e15}, "decides every random number of the run");
  v("device", device, OneOf{{"cpu", "cuda"}}, "where the policy runs; environments stay on the CPU");
  v("phases", phases, Any{},
    "what a training does, in this order and as often as named: clone (the oracle), learn (by reward), consolidate "
    "(forget); each for its max_steps");
  v.Section(
      "env",
      [this](Options& s) {
        s("id", env.id, OneOf{envs::Ids()}, "environment; `lethe envs` lists them");
        env.params->Visit(s);
      },
      "environment and its parameters");
  v.Section(
      "policy",
      [this](Options& s) {
        s("last_action", policy.last_action, Any{},
          "the policy sees the action it took last; it could write notes in its actions then, so bounds without memory "
          "do not hold");
        s("cell_heads", policy.cell_heads, Range{0, 64},
          "heads that look for a thing in view by kind and colour and act on its place; gridworlds only; 0: none");
        s("glance_heads", policy.glance_heads, Range{0, 64},
          "heads that look for a thing in view before the memory's last layer, so that what was found is remembered; "
          "gridworlds and transformers of two layers or more; 0: none");
      },
      "network around the memory");
  v.Section("memory", memory, "what the policy remembers with");
  v.Section(
      "train", [this](Options& s) { VisitTrain(*this, s); }, "actors and learner");
  v.Section(
      "optimizer", [this](Options& s) { VisitOptimizer(optimizer, s); }, "optimiser while learning");
  v.Section(
      "curriculum", [this](Options& s) { VisitCurriculum(curriculum, s); }, "harder levels as the score allows");
  v.Section(
      "clone", [this](Options& s) { VisitClone(clone, s); }, "behavioural cloning of the environment's oracle");
  v.Section(
      "consolidate",
      [this](Options& s) {
        VisitConsolidate(*this, s);
        s.Section(
            "optimizer", [this](Options& inner) { VisitOptimizer(consolidate.optimizer, inner); },
            "optimiser of the student");
        s.Section(
            "curriculum", [this](Options& inner) { VisitCurriculum(consolidate.curriculum, inner); },
            "harder levels as the student agrees; the score of an episode is exp(-KL), KL of those that end in the "
            "same update");
        s("stretch", consolidate.stretch, Any{},
          "a student that fails pays nothing until it does better, and its spans get longer by the curriculum's "
          "factor");
      },
      "forget all that the solved task does not need");
  v.Section(
      "log", [this](Options& s) { VisitLog(log, s); }, "what is written and when");
}

void RunOptions::SetEnv(const std::string& id) {
  env.params = envs::Find(id).make_params();
  env.id = id;
}

int64_t RunOptions::MaxSteps(Phase phase) const {
  if (phase == Phase::kClone) return clone.max_steps;
  if (phase == Phase::kConsolidate) return consolidate.max_steps;
  return phase == Phase::kLearn ? train.max_steps : 0;
}

const OptimizerOptions& RunOptions::OptimizerOf(Phase phase) const {
  if (phase == Phase::kClone) return clone.optimizer;
  return phase == Phase::kConsolidate ? consolidate.optimizer : optimizer;
}

void RunOptions::Resolve() {
  memory.options->block = train.unroll_length;
  memory.options->Check();
  Require(
      train.num_envs % train.actors == 0,
      fmt::format("train.num_envs: got {}, allowed: a multiple of train.actors = {}", train.num_envs, train.actors));
  const auto parts = ParsePhases(phases);
  Require(std::any_of(parts.begin(), parts.end(), [this](Phase phase) { return MaxSteps(phase) > 0; }),
          "phases: none of them has steps, there is nothing to do; allowed: more than 0 for train.max_steps, "
          "clone.max_steps or consolidate.max_steps");
  const double ramp = memory.options->Ramp();
  Require(ramp > 0 || loss.span_weight == 0,
          fmt::format("train.span_weight: memory.core = {} predicts no spans, allowed: 0", memory.name));
  Require(ramp > 0 || consolidate.max_steps == 0,
          fmt::format("consolidate.max_steps: memory.core = {} predicts no spans to shorten, allowed: 0", memory.name));
  Require(consolidate.price.alpha_start >= consolidate.price.alpha_min,
          fmt::format("consolidate.alpha_start: got {}, allowed: at least consolidate.alpha_min = {}",
                      consolidate.price.alpha_start, consolidate.price.alpha_min));
  const double budget = consolidate.price.budget, least = memory.options->LeastMemories();
  Require(
      budget == 0 || budget >= least,
      fmt::format("consolidate.budget: got {}, allowed: 0, or at least {}: with memory.ramp = {} so many memories are "
                  "alive even where all spans are as short as they can be",
                  budget, least, ramp));
  for (const Phase phase : {Phase::kClone, Phase::kConsolidate})
    Require(MaxSteps(phase) == 0 || std::find(parts.begin(), parts.end(), phase) != parts.end(),
            fmt::format("{0}.max_steps: got {1}, allowed: 0, since phases does not name {0}", PhaseName(phase),
                        MaxSteps(phase)));
  loss.ramp = consolidate.price.ramp = ramp > 0 ? ramp : 1;
  loss.block = static_cast<double>(train.unroll_length);
  env.params->Check();
  const auto envs = MakeEnvs(*this, 1, envs::Purpose::kTrain, 0);
  const auto& spec = envs->spec();
  Require(clone.teacher == "oracle" || envs->HasScout(),
          fmt::format("clone.teacher: got {}, allowed: oracle, since {} has no scout", clone.teacher, env.id));
  Require(!clone.accepts_ties || clone.teacher == "scout",
          "clone.accept_ties: got true, allowed: false, but for clone.teacher = scout, which tells them");
  const bool explains = clone.loss.explain_weight > 0;
  Require(
      !explains || clone.teacher == "scout",
      fmt::format("clone.explain_weight: got {}, allowed: 0, but for clone.teacher = scout, which can explain itself",
                  clone.loss.explain_weight));
  Require(!explains || !spec.explanation.empty(),
          fmt::format("clone.explain_weight: got {}, allowed: 0, since the scout of {} explains nothing",
                      clone.loss.explain_weight, env.id));
  const double waiting = static_cast<double>((train.max_policy_lag + 1) * train.actors);
  Require(policy.cell_heads == 0 || spec.cells > 0,
          fmt::format("policy.cell_heads: got {}, allowed: 0, since {} shows no cells", policy.cell_heads, env.id));
  Require(policy.glance_heads == 0 || spec.cells > 0,
          fmt::format("policy.glance_heads: got {}, allowed: 0, since {} shows no cells", policy.glance_heads, env.id));
  Require(policy.glance_heads == 0 || memory.options->Gaps() > 0,
          fmt::format("policy.glance_heads: got {}, allowed: 0, since memory.core = {} has no layers to look between",
                      policy.glance_heads, memory.name));
  const auto gigabytes = [&](int64_t unroll) {
    return 1e-9 * waiting *
           RolloutBytes(train.num_envs / train.actors, unroll, static_cast<int64_t>(spec.tokens.size()),
                        spec.num_actions,
                        (clone.accepts_ties ? 1 : 0) + (explains ? static_cast<int64_t>(spec.explanation.size()) : 0));
  };
  Require(
      gigabytes(train.unroll_length) <= train.queue_gigabytes,
      fmt::format("train.unroll_length: got {}: the {:.0f} rollouts that may wait for the learner would take {:.3g} "
                  "GB, allowed: train.queue_gigabytes = {}; fewer steps, environments or less lag would fit",
                  train.unroll_length, waiting, gigabytes(train.unroll_length), train.queue_gigabytes));
  CheckCurriculum(curriculum, spec, env.id, "env");
  CheckInitialSpan(memory, consolidate.initial_span);
  CheckCurriculum(consolidate.curriculum, spec, env.id, "env", "consolidate.curriculum");
  Require(consolidate.sharpen == 1 || memory.options->CanStretchSpans(),
          fmt::format("consolidate.sharpen: got {}, allowed: 1, but for memory.core = expire_span with "
                      "memory.span_scale = linear",
                      consolidate.sharpen));
  Require(!consolidate.stretch || memory.options->CanStretchSpans(),
          "consolidate.stretch: got true, allowed: false, but for memory.core = expire_span with memory.span_scale = "
          "linear");
}

std::unique_ptr<RunOptions> ReadRunOptions(const configs::Document& document) {
  auto options = std::make_unique<RunOptions>();
  ReadChoice(document, "env", "id", options->env.id, [&](const std::string& id) { options->SetEnv(id); });
  ReadAllOptions(document, *options);
  return options;
}

std::string ToYaml(RunOptions& options) { return YamlOf(options); }

PolicyOptions MakePolicyOptions(const RunOptions& options) {
  const auto spec = MakeEnvs(options, 1, envs::Purpose::kTrain, 0)->spec();
  PolicyOptions policy;
  for (const envs::TokenSpec& token : spec.tokens) policy.vocabularies.push_back(token.vocabulary);
  policy.num_actions = spec.num_actions;
  policy.memory = options.memory.options;
  policy.cell_heads = options.policy.cell_heads;
  policy.glance_heads = options.policy.glance_heads;
  if (options.clone.loss.explain_weight > 0)
    for (const envs::TokenSpec& token : spec.explanation) policy.explanation.push_back(token.vocabulary);
  if (spec.cells > 0) policy.cells = {spec.cells, spec.tokens[0].vocabulary, spec.tokens[1].vocabulary};
  return policy;
}

std::unique_ptr<envs::EnvBatch> MakeEnvs(const RunOptions& options, int64_t size, envs::Purpose purpose,
                                         uint64_t first_row) {
  envs::BatchOptions batch;
  batch.size = static_cast<int>(size);
  batch.seed = static_cast<uint64_t>(options.seed);
  batch.purpose = purpose;
  batch.first_index = first_row;
  auto envs = envs::Find(options.env.id).make_batch(*options.env.params, batch);
  if (!options.policy.last_action) return envs;
  return std::make_unique<envs::LastActionBatch>(std::move(envs));
}

}  // namespace lethe::agents
