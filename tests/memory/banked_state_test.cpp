// The state of many rows: saved, restored, gathered, reset; and what is refused.

#include "memory/banked_state.h"

#include <gtest/gtest.h>

#include <functional>

#include "memory/torch.h"
#include "tests/memory/close.h"
#include "tests/memory/error_text.h"
#include "tests/memory/memory_case.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

struct Life {
  ExpireSpan core = RandomMemory(SmallOptions(), 1);
  Blocks blocks = RandomBlocks(5, 4, 6, 12, 0.04, 2);
  StatePtr state;

  Life() {
    const torch::NoGradGuard no_grad;
    state = core.Start(4);
    for (size_t k = 0; k < 4; ++k) state = core.Forward(blocks.x[k], blocks.starts[k], state, 0, true).state;
  }
  /// The next block from the given state: its output and the state after.
  BlockOutput Next(const StatePtr& from) const {
    const torch::NoGradGuard no_grad;
    return core.Forward(blocks.x[4], blocks.starts[4], from, 0, true);
  }
};

void ExpectSameSaved(const StatePtr& a, const StatePtr& b) {
  const TensorMap x = a->Save(), y = b->Save();
  ASSERT_EQ(x.size(), y.size());
  for (const auto& [name, tensor] : x) EXPECT_TRUE(SameBits(tensor, y.at(name))) << name;
}

TEST(BankedState, RestoreIsTheInverseOfSave) {
  const Life life;
  const StatePtr restored = life.core.Restore(life.state->Save());
  ExpectSameSaved(restored, life.state);
  EXPECT_EQ(restored->resident(), life.state->resident());
  const BlockOutput want = life.Next(life.state), got = life.Next(restored);
  EXPECT_TRUE(SameBits(got.y, want.y));
  ExpectSameSaved(got.state, want.state);
}

TEST(BankedState, SavedFormIsLogical) {
  const Life life;
  const TensorMap saved = life.state->Save();
  ASSERT_EQ(saved.size(), 7u);
  EXPECT_TRUE(torch::equal(saved.at("clock"), torch::full({4}, 24, torch::kLong)));
  for (const std::string layer : {"layer0.", "layer1."}) {
    const Tensor count = saved.at(layer + "count"), time = saved.at(layer + "time");
    EXPECT_EQ(count.sum().item<int64_t>(), time.size(0));
    EXPECT_EQ(saved.at(layer + "hidden").size(0), time.size(0));
    int64_t at = 0;
    for (int64_t row = 0; row < 4; ++row) {
      const Tensor mine = time.slice(0, at, at + count[row].item<int64_t>());
      EXPECT_TRUE((mine.diff() > 0).all().item<bool>()) << "row " << row << " is in order of time";
      at += mine.size(0);
    }
  }
}

TEST(BankedState, SavingDoesNotDependOnHowTheBankIsPacked) {
  const Life life;
  const BankedState& packed = AsBankedState(life.state);
  std::vector<Bank> banks;
  for (const Bank& bank : packed.banks()) {  // rows back to front, slack between them
    Bank loose;
    const Tensor slack = torch::full({2, 12}, std::nan(""), torch::kDouble);
    std::vector<Tensor> hidden, time;
    loose.begin = torch::zeros({4}, torch::kLong), loose.count = bank.count, loose.longest = bank.longest;
    for (int64_t row = 3, at = 0; row >= 0; --row) {
      const int64_t begin = bank.begin[row].item<int64_t>(), count = bank.count[row].item<int64_t>();
      hidden.insert(hidden.end(), {slack, bank.hidden.slice(0, begin, begin + count)});
      time.insert(time.end(), {torch::zeros({2}, torch::kLong), bank.time.slice(0, begin, begin + count)});
      loose.begin[row] = at + 2;
      at += 2 + count;
    }
    loose.hidden = torch::cat(hidden), loose.time = torch::cat(time);
    banks.push_back(loose);
  }
  const StatePtr state = std::make_shared<BankedState>(std::move(banks), packed.clock());
  ExpectSameSaved(state, life.state);
  EXPECT_EQ(state->resident(), life.state->resident());
  ExpectClose(life.Next(state).y, life.Next(life.state).y, 1e-13, "y");
}

TEST(BankedState, GatherTakesRowsInAnyOrderAndResetsOthers) {
  const Life life;
  const StatePtr gathered = life.core.Gather(life.state, {2, -1, 0, 2, 3});
  EXPECT_EQ(gathered->rows(), 5);
  const Blocks more = RandomBlocks(1, 5, 6, 12, 0.1, 3);
  const torch::NoGradGuard no_grad;
  const Tensor y = life.core.Forward(more.x[0], more.starts[0], gathered).y;
  for (const auto& [to, from] : std::vector<std::pair<int64_t, int64_t>>{{0, 2}, {1, -1}, {2, 0}, {3, 2}, {4, 3}}) {
    const StatePtr one = from < 0 ? life.core.Start(1) : life.core.Gather(life.state, {from});
    const Tensor alone = life.core.Forward(more.x[0].slice(0, to, to + 1), more.starts[0].slice(0, to, to + 1), one).y;
    ExpectClose(y.slice(0, to, to + 1), alone, 1e-13, "row " + std::to_string(to));
  }
  ExpectSameSaved(life.core.Gather(life.state, {0, 1, 2, 3}), life.state);
}

TEST(BankedState, SavedRowsTravelBetweenStates) {
  const Life life;
  const StatePtr one = life.core.Restore(life.core.Gather(life.state, {1})->Save());
  ExpectSameSaved(one, life.core.Gather(life.state, {1}));
}

TEST(BankedState, OldStatesStayWhatTheyWere) {
  const Life life;
  TensorMap before;
  for (const auto& [name, tensor] : life.state->Save()) before[name] = tensor.clone();
  life.Next(life.state);
  const auto stepper = life.core.Begin(life.state, 6);
  TakeSteps(*stepper, life.blocks.x[4], life.blocks.starts[4], 2);
  for (const auto& [name, tensor] : life.state->Save()) EXPECT_TRUE(SameBits(tensor, before.at(name))) << name;
}

/// float32 counts steps exactly up to 2^24 only, so a clock that went through one would show here.
TEST(BankedState, ClocksBeyondFloat32) {
  const Life life;
  for (const int64_t later : {int64_t{1} << 24, (int64_t{1} << 24) + 1, int64_t{1} << 40, int64_t{1} << 53}) {
    TensorMap saved = life.state->Save();
    for (auto& [name, tensor] : saved)
      if (name == "clock" || name.ends_with(".time")) tensor = tensor + later;
    const BlockOutput want = life.Next(life.state), got = life.Next(life.core.Restore(saved));
    EXPECT_TRUE(SameBits(got.y, want.y)) << "after " << later << " steps";
    EXPECT_TRUE(torch::equal(got.state->Save().at("layer1.time"), want.state->Save().at("layer1.time") + later));
  }
}

TEST(BankedState, AnEmptyStateIsSavedToo) {
  const ExpireSpan core = RandomMemory(SmallOptions(), 4);
  ExpectSameSaved(core.Restore(core.Start(3)->Save()), core.Start(3));
  EXPECT_EQ(core.Start(3)->resident(), (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(core.Start(3)->bytes(), 0);
}

TEST(BankedState, RestoreTakesOtherNumberFormats) {
  const Life life;
  const ExpireSpan core = RandomMemory(SmallOptions(), 1, torch::kFloat);
  const StatePtr state = core.Restore(life.state->Save());
  EXPECT_EQ(AsBankedState(state).banks()[0].hidden.scalar_type(), torch::kFloat);
}

// What is refused.

struct Refusal {
  std::function<void(TensorMap&)> spoil;
  std::string message;
};

TEST(ExpireSpanErrors, RestoreNamesTheTensor) {
  const Life life;
  const std::vector<Refusal> cases = {
      {[](TensorMap& s) { s.erase("clock"); }, "`clock` is missing"},
      {[](TensorMap& s) { s.erase("layer1.time"); }, "`layer1.time` is missing"},
      {[](TensorMap& s) { s["clock"] = s["clock"].to(torch::kInt); }, "`clock` must be"},
      {[](TensorMap& s) { s["layer0.time"] = s["layer0.time"].unsqueeze(0); }, "`layer0.time` must be"},
      {[](TensorMap& s) { s["layer0.hidden"] = s["layer0.hidden"].to(torch::kLong); }, "`layer0.hidden` must be"},
      {[](TensorMap& s) { s["layer0.hidden"] = s["layer0.hidden"].slice(1, 0, 11); }, "`layer0.hidden` must be"},
      {[](TensorMap& s) { s["layer0.hidden"] = s["layer0.hidden"].slice(0, 1); }, "`layer0.hidden` must be"},
      {[](TensorMap& s) { s["layer1.time"] = s["layer1.time"].slice(0, 1); }, "`layer1.time` must be"},
      {[](TensorMap& s) { s["layer1.count"] = s["layer1.count"].slice(0, 1); }, "`layer1.count` must be"},
      {[](TensorMap& s) { s["layer1.count"] = s["layer1.count"] * 2; }, "`layer1.count`"},
      {[](TensorMap& s) {
         s["layer1.count"] = s["layer1.count"].clone();
         s["layer1.count"][0] += 1'000, s["layer1.count"][1] -= 1'000;
       },
       "`layer1.count`"},
      {[](TensorMap& s) { s["clock"] = s["clock"] - 1; }, "`layer0.time`"},
      {[](TensorMap& s) { s["layer0.time"] = s["layer0.time"].flip(0); }, "`layer0.time`"},
  };
  for (const Refusal& c : cases) {
    TensorMap saved = life.state->Save();
    c.spoil(saved);
    const std::string message = ErrorText([&] { life.core.Restore(saved); });
    EXPECT_NE(message.find(c.message), std::string::npos) << c.message << "\n  got: " << message;
  }
}

TEST(ExpireSpanErrors, RowsOutOfRange) {
  const Life life;
  EXPECT_EQ(ErrorText([&] {
              life.core.Gather(life.state, {0, 4});
            }),
            "memory state: row 4 does not exist, allowed 0 to 3, or -1 for an empty row");
  EXPECT_NE(ErrorText([&] { life.core.Gather(life.state, {-2}); }), "");
}

class AnotherState : public State {
 public:
  int64_t rows() const override { return 4; }
  std::vector<int64_t> resident() const override { return {}; }
  int64_t bytes() const override { return 0; }
  TensorMap Save() const override { return {}; }
};

TEST(ExpireSpanErrors, StatesOfAnotherMemory) {
  const Life life;
  const StatePtr other = std::make_shared<AnotherState>();
  const std::string message = "memory state: not the state of a banked memory";
  EXPECT_EQ(ErrorText([&] { life.Next(other); }), message);
  EXPECT_EQ(ErrorText([&] { life.Next(nullptr); }), message);
  EXPECT_EQ(ErrorText([&] { life.core.Gather(other, {0}); }), message);
  EXPECT_EQ(ErrorText([&] { life.core.Begin(other, 3); }), message);
  ExpireSpanOptions options = SmallOptions();
  options.layers = 1;
  EXPECT_NE(ErrorText([&] { life.Next(ExpireSpan(options).Start(4)); }).find("layers"), std::string::npos);
  options.layers = 2, options.dim = 8;
  EXPECT_NE(ErrorText([&] { life.Next(ExpireSpan(options).Start(4)); }).find("width"), std::string::npos);
}

TEST(ExpireSpanErrors, ShapesOfABlock) {
  const Life life;
  const Tensor x = life.blocks.x[0], starts = life.blocks.starts[0];
  const auto message = [&](const Tensor& input, const Tensor& start, int64_t lookahead = 0) {
    return ErrorText([&] { life.core.Forward(input, start, life.state, lookahead); });
  };
  EXPECT_EQ(message(x[0], starts), "memory: x must be [B, T, 12] of double, got [6, 12] of double");
  EXPECT_EQ(message(x.slice(2, 0, 5), starts), "memory: x must be [B, T, 12] of double, got [4, 6, 5] of double");
  EXPECT_EQ(message(x.to(torch::kFloat), starts), "memory: x must be [B, T, 12] of double, got [4, 6, 12] of float");
  EXPECT_EQ(message(x, starts.slice(1, 0, 5)), "memory: episode_start must be [4, 6] on the CPU, got [4, 5] on cpu");
  EXPECT_EQ(message(x.slice(0, 0, 3), starts.slice(0, 0, 3)), "memory: x has 3 rows, the state 4");
  EXPECT_EQ(message(x, starts, 6), "memory: lookahead must leave a step of the block's 6, got 6");
  EXPECT_EQ(message(x, starts, -1), "memory: lookahead must leave a step of the block's 6, got -1");
  EXPECT_NE(message(x.slice(1, 0, 0), starts.slice(1, 0, 0)), "");
}

TEST(ExpireSpanErrors, PublishedModeRefusesEpisodeStarts) {
  ExpireSpanOptions options = SmallOptions();
  options.published = true;
  const ExpireSpan core(options);
  Tensor starts = torch::zeros({1, 6}, torch::kByte);
  starts[0][2] = 1;
  EXPECT_NE(ErrorText([&] {
              core.Forward(torch::zeros({1, 6, 12}), starts, core.Start(1));
            }).find("published mode"),
            std::string::npos);
}

TEST(ExpireSpanErrors, OptionsNameTheirRange) {
  struct Case {
    std::function<void(ExpireSpanOptions&)> spoil;
    std::string message;
  };
  const double nan = std::nan("");
  const std::vector<Case> cases = {
      {[](ExpireSpanOptions& o) { o.layers = 0; }, "memory option `layers`: got 0, allowed: >= 1"},
      {[](ExpireSpanOptions& o) { o.dim = -3; }, "memory option `dim`: got -3, allowed: >= 1"},
      {[](ExpireSpanOptions& o) { o.heads = 0; }, "memory option `heads`: got 0, allowed: >= 1"},
      {[](ExpireSpanOptions& o) { o.head_dim = -1; }, "memory option `head_dim`: got -1, allowed: >= 0"},
      {[](ExpireSpanOptions& o) { o.heads = 5; },
       "memory option `heads`: got 5, allowed: a divisor of dim = 64, or give head_dim"},
      {[](ExpireSpanOptions& o) { o.dropout = 1; }, "memory option `dropout`: got 1, allowed: 0 to below 1"},
      {[](ExpireSpanOptions& o) { o.position = "rotary", o.head_dim = 5; },
       "memory option `head_dim`: got 5, allowed: an even number with position: rotary"},
      {[](ExpireSpanOptions& o) { o.ffn = 0; }, "memory option `ffn`: got 0, allowed: >= 1"},
      {[](ExpireSpanOptions& o) { o.positions = -1; }, "memory option `positions`: got -1, allowed: >= 0"},
      {[](ExpireSpanOptions& o) { o.span_limit = 0; }, "memory option `span_limit`: got 0, allowed: > 0"},
      {[&](ExpireSpanOptions& o) { o.span_limit = nan; }, "memory option `span_limit`: got nan, allowed: > 0"},
      {[](ExpireSpanOptions& o) { o.ramp = -1; }, "memory option `ramp`: got -1, allowed: > 0"},
      {[](ExpireSpanOptions& o) { o.initial_span = 1; },
       "memory option `initial_span`: got 1, allowed: between 0 and 1, exclusive"},
      {[](ExpireSpanOptions& o) { o.span_scale = "log"; },
       "memory option `span_scale`: got log, allowed: linear, logarithmic"},
      {[](ExpireSpanOptions& o) { o.span_scale = "logarithmic", o.ramp = o.span_limit; },
       "memory option `span_limit`: got 256, allowed: > ramp on a logarithmic scale"},
      {[](ExpireSpanOptions& o) { o.span_scale = "logarithmic", o.initial_span = 0.03; },
       "memory option `initial_span`: got 0.03, allowed: more than ramp / span_limit on a logarithmic scale"},
      {[](ExpireSpanOptions& o) { o.span_scale = "logarithmic", o.published = true; },
       "memory option `span_scale`: got logarithmic, allowed: linear in published mode"},
      {[](ExpireSpanOptions& o) { o.span_pre_division = 0; }, "memory option `span_pre_division`: got 0, allowed: > 0"},
  };
  for (const Case& c : cases) {
    ExpireSpanOptions options;
    c.spoil(options);
    EXPECT_EQ(ErrorText([&] { ExpireSpan core(options); }), c.message);
  }
}

}  // namespace
}  // namespace lethe::memory
