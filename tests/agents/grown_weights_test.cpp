// A policy that begins with the weights of a smaller one does what that one did.

#include "agents/grown_weights.h"

#include <gtest/gtest.h>

#include <string>

#include "agents/checkpoint_tensors.h"
#include "agents/flat_parameters.h"
#include "agents/policy.h"
#include "agents/trainer_state.h"
#include "tests/agents/tiny_run.h"
#include "tests/temporary_folder.h"

namespace lethe::agents {
namespace {

using torch::Tensor;

/// A policy of two layers, away from its start, and the file that holds it.
struct Small {
  std::unique_ptr<RunOptions> run;
  Policy policy{MakePolicyOptions(*run)};
  tests::TemporaryFolder folder;

  explicit Small(const std::vector<std::string>& options = {"policy.cell_heads=2"}) : Small(MakeTinyRun(options)) {}
  explicit Small(std::unique_ptr<RunOptions> options) : run(std::move(options)) {
    torch::manual_seed(3);
    const torch::NoGradGuard no_grad;
    for (Tensor p : policy.parameters()) p += 0.1 * torch::randn_like(p);
    const FlatParameters parameters(policy);
    SaveWeights(folder / "small.safetensors", parameters.Read(), LayoutOf(parameters), 0);
  }
  configs::SafetensorsFile file() const { return configs::SafetensorsFile(folder / "small.safetensors"); }
};

std::unique_ptr<RunOptions> Larger(const std::vector<std::string>& more) {
  std::vector<std::string> all = {"policy.cell_heads=2", "memory.layers=3"};
  all.insert(all.end(), more.begin(), more.end());
  return MakeTinyRun(all);
}

/// A new layer norms once more, which is not exact; other parts add nothing at all.
constexpr double kWithALayer = 1e-3;

void ExpectTheSame(const Policy& small, const Policy& grown, double tolerance) {
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> tokens;
  for (const int vocabulary : grown.options().vocabularies) tokens.push_back(torch::randint(vocabulary, {9, 4}));
  const Tensor observations = torch::stack(tokens, 2).to(torch::kByte).contiguous(),
               known =
                   observations.narrow(2, 0, static_cast<int64_t>(small.options().vocabularies.size())).contiguous();
  const Tensor starts = (torch::rand({4, 9}) < 0.1).to(torch::kByte);
  const Tensor want = small.Forward(known, starts, small.core().Start(4)).head,
               got = grown.Forward(observations, starts, grown.core().Start(4)).head;
  EXPECT_LE((got - want).abs().max().item<double>(), tolerance * want.abs().max().item<double>());
}

class GrownPolicy : public testing::TestWithParam<std::string> {};

TEST_P(GrownPolicy, DoesWhatTheSmallerOneDid) {
  const Small small;
  const auto run = Larger({"policy.glance_heads=2", "memory.positions=" + GetParam()});
  ASSERT_EQ(PartsToGrow(small.file(), *run), std::vector<std::string>{"glance with a layer behind it"});
  Policy grown(MakePolicyOptions(*run));
  FlatParameters parameters(grown);
  parameters.Write(GrownWeights(small.file(), *run));
  const torch::NoGradGuard no_grad;
  ExpectTheSame(small.policy, grown, kWithALayer);
  // The glance asks what the pointer asks: query times what comes out of the second layer is the same, behind its norm.
  const auto p = grown.named_parameters(), q = small.policy.named_parameters();
  const Tensor normed = torch::randn({5, 16});
  const Tensor y = normed * q["memory.layers.1.norm2"] + q["memory.layers.1.norm2_bias"];
  EXPECT_TRUE(torch::allclose(torch::linear(normed, p["glance.query"], p["glance.query_bias"]),
                              torch::linear(y, q["pointer.query"], q["pointer.query_bias"]), 1e-4, 1e-4));
}

INSTANTIATE_TEST_SUITE_P(Positions, GrownPolicy, testing::Values("8", "11"));

TEST(GrownPolicyWithAFront, DoesWhatTheOneWithoutDid) {
  const Small small;
  for (const char* front : {"memory.front=gru", "memory.front=lstm"}) {
    SCOPED_TRACE(front);
    const auto alone = MakeTinyRun({"policy.cell_heads=2", front}), both = Larger({"policy.glance_heads=2", front});
    EXPECT_EQ(PartsToGrow(small.file(), *alone), std::vector<std::string>{"recurrent front"});
    EXPECT_EQ(PartsToGrow(small.file(), *both).size(), 2U);
    for (const auto& run : {alone.get(), both.get()}) {
      Policy grown(MakePolicyOptions(*run));
      FlatParameters parameters(grown);
      parameters.Write(GrownWeights(small.file(), *run));
      ExpectTheSame(small.policy, grown, run == both.get() ? kWithALayer : 0);
      EXPECT_GT(grown.named_parameters()["memory.front.layers.0.input"].abs().max().item<float>(), 0);
    }
  }
}

/// It needs no layer that is the identity, so pre_norm is no hindrance.
TEST(GrownPolicyWithAFront, GrowsBeforeAnyTransformer) {
  const Small small({"memory.pre_norm=true"});
  const auto run = MakeTinyRun({"memory.pre_norm=true", "memory.front=gru"});
  Policy grown(MakePolicyOptions(*run));
  FlatParameters parameters(grown);
  parameters.Write(GrownWeights(small.file(), *run));
  ExpectTheSame(small.policy, grown, 0);
}

/// A glance grows behind a front that is there already.
TEST(GrownPolicyWithAFront, GrowsAGlanceLater) {
  const auto run = MakeTinyRun({"policy.cell_heads=2", "memory.front=gru"});
  torch::manual_seed(4);
  Policy fronted(MakePolicyOptions(*run));
  const tests::TemporaryFolder folder;
  const FlatParameters now(fronted);
  SaveWeights(folder / "front.safetensors", now.Read(), LayoutOf(now), 0);
  const configs::SafetensorsFile file(folder / "front.safetensors");
  const auto larger = Larger({"policy.glance_heads=2", "memory.front=gru"});
  EXPECT_EQ(PartsToGrow(file, *larger), std::vector<std::string>{"glance with a layer behind it"});
  Policy grown(MakePolicyOptions(*larger));
  FlatParameters parameters(grown);
  parameters.Write(GrownWeights(file, *larger));
  ExpectTheSame(fronted, grown, kWithALayer);
}

/// Whatever was done last: nothing of it is heard.
TEST(GrownPolicyWithItsLastAction, DoesWhatTheOneWithoutDid) {
  const Small small;
  const auto run = MakeTinyRun({"policy.cell_heads=2", "policy.last_action=true"});
  EXPECT_EQ(PartsToGrow(small.file(), *run), std::vector<std::string>{"last action"});
  Policy grown(MakePolicyOptions(*run));
  FlatParameters parameters(grown);
  parameters.Write(GrownWeights(small.file(), *run));
  ExpectTheSame(small.policy, grown, 0);
}

/// A scout that told something else in the environment before.
TEST(GrownPolicyWithAnExplainer, ExplainsOtherTokensAnew) {
  const auto run = MakeRun({"env.id=Instruction-v0", "memory.dim=16", "memory.heads=2", "train.unroll_length=8",
                            "clone.teacher=scout", "clone.max_steps=1", "clone.explain_weight=0.2"});
  PolicyOptions fewer = MakePolicyOptions(*run);
  fewer.explanation.pop_back();
  Policy before(fewer);
  const tests::TemporaryFolder folder;
  const FlatParameters parameters(before);
  SaveWeights(folder / "fewer.safetensors", parameters.Read(), LayoutOf(parameters), 0);
  const configs::SafetensorsFile file(folder / "fewer.safetensors");
  EXPECT_EQ(PartsToGrow(file, *run), std::vector<std::string>{"explainer of these tokens"});
  Policy grown(MakePolicyOptions(*run));
  FlatParameters(grown).Write(GrownWeights(file, *run));
  ExpectTheSame(before, grown, 0);
}

/// Whatever it tells: no action depends on it.
TEST(GrownPolicyWithAnExplainer, DoesWhatTheOneWithoutDid) {
  const std::vector<std::string> task = {"env.id=Instruction-v0", "memory.dim=16",       "memory.heads=2",
                                         "train.unroll_length=8", "clone.teacher=scout", "clone.max_steps=1"};
  std::vector<std::string> explained = task;
  explained.emplace_back("clone.explain_weight=0.2");
  const Small small(MakeRun(task));
  const auto run = MakeRun(explained);
  EXPECT_EQ(PartsToGrow(small.file(), *run), std::vector<std::string>{"explainer of these tokens"});
  Policy grown(MakePolicyOptions(*run));
  FlatParameters parameters(grown);
  parameters.Write(GrownWeights(small.file(), *run));
  ExpectTheSame(small.policy, grown, 0);
}

TEST(GrowingWeights, AreAskedForByAGlanceAndALayerMore) {
  const Small small;
  EXPECT_TRUE(PartsToGrow(small.file(), *Larger({})).empty()) << "no glance";
  EXPECT_TRUE(PartsToGrow(small.file(), *MakeTinyRun({"policy.glance_heads=2"})).empty()) << "no layer more";
  EXPECT_TRUE(PartsToGrow(small.file(), *MakeTinyRun({"policy.glance_heads=2", "memory.layers=4"})).empty())
      << "two more";
}

TEST(GrowingWeights, AreRefusedWhereTheyCannotDoTheSame) {
  const Small small;
  const auto refused = [&](const std::string& message, const std::vector<std::string>& options) {
    try {
      GrownWeights(small.file(), *Larger(options));
      ADD_FAILURE() << "not refused: " << message;
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
  };
  refused("memory.pre_norm and memory.gates false", {"policy.glance_heads=2", "memory.pre_norm=true"});
  refused("memory.pre_norm and memory.gates false", {"policy.glance_heads=2", "memory.gates=true"});
  refused("policy.memory.position_keys` has shape [1, 8, 8], these options need [1, 8, 5]",
          {"policy.glance_heads=2", "memory.positions=5"});
  refused("policy.glance_heads: got 3, allowed with weights that have no glance: 2", {"policy.glance_heads=3"});
}

}  // namespace
}  // namespace lethe::agents
