// A policy that begins with the weights of a smaller one does what that one did.

#include "agents/grown_weights.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "agents/checkpoint_tensors.h"
#include "agents/flat_parameters.h"
#include "agents/policy.h"
#include "agents/trainer_state.h"
#include "tests/agents/tiny_run.h"

namespace lethe::agents {
namespace {

using torch::Tensor;

/// A policy of two layers, away from its start, and the file that holds it.
struct Small {
  std::unique_ptr<RunOptions> run = MakeTinyRun({"policy.cell_heads=2"});
  Policy policy{MakePolicyOptions(*run)};
  std::string path = testing::TempDir() + "lethe_grown_weights_test.safetensors";

  Small() {
    torch::manual_seed(3);
    const torch::NoGradGuard no_grad;
    for (Tensor p : policy.parameters()) p += 0.1 * torch::randn_like(p);
    const FlatParameters parameters(policy);
    SaveWeights(path, parameters.Read(), LayoutOf(parameters), 0);
  }
  ~Small() { std::filesystem::remove(path); }
  configs::SafetensorsFile file() const { return configs::SafetensorsFile(path); }
};

std::unique_ptr<RunOptions> Larger(const std::vector<std::string>& more) {
  std::vector<std::string> all = {"policy.cell_heads=2", "memory.layers=3"};
  all.insert(all.end(), more.begin(), more.end());
  return MakeTinyRun(all);
}

class GrownPolicy : public testing::TestWithParam<std::string> {};

TEST_P(GrownPolicy, DoesWhatTheSmallerOneDid) {
  const Small small;
  const auto run = Larger({"policy.glance_heads=2", "memory.positions=" + GetParam()});
  ASSERT_TRUE(CanGrow(small.file(), *run));
  Policy grown(MakePolicyOptions(*run));
  FlatParameters parameters(grown);
  parameters.Write(GrownWeights(small.file(), *run));
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> tokens;
  for (const int vocabulary : grown.options().vocabularies) tokens.push_back(torch::randint(vocabulary, {9, 4}));
  const Tensor observations = torch::stack(tokens, 2).to(torch::kByte).contiguous();
  const Tensor starts = (torch::rand({4, 9}) < 0.1).to(torch::kByte);
  const Tensor want = small.policy.Forward(observations, starts, small.policy.core().Start(4)).head,
               got = grown.Forward(observations, starts, grown.core().Start(4)).head;
  EXPECT_LT((got - want).abs().max().item<double>(), 1e-3 * want.abs().max().item<double>());
  // The glance asks what the pointer asks: query times what comes out of the second layer is the same, behind its norm.
  const auto p = grown.named_parameters(), q = small.policy.named_parameters();
  const Tensor normed = torch::randn({5, 16});
  const Tensor y = normed * q["memory.layers.1.norm2"] + q["memory.layers.1.norm2_bias"];
  EXPECT_TRUE(torch::allclose(torch::linear(normed, p["glance.query"], p["glance.query_bias"]),
                              torch::linear(y, q["pointer.query"], q["pointer.query_bias"]), 1e-4, 1e-4));
}

INSTANTIATE_TEST_SUITE_P(Positions, GrownPolicy, testing::Values("8", "11"));

TEST(GrowingWeights, AreAskedForByAGlanceAndALayerMore) {
  const Small small;
  EXPECT_FALSE(CanGrow(small.file(), *Larger({}))) << "no glance";
  EXPECT_FALSE(CanGrow(small.file(), *MakeTinyRun({"policy.glance_heads=2"}))) << "no layer more";
  EXPECT_FALSE(CanGrow(small.file(), *MakeTinyRun({"policy.glance_heads=2", "memory.layers=4"}))) << "two more";
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
