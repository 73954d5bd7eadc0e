#include "tools/viewer/describe.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/tools/viewer/test_player.h"

namespace lethe::tools {
namespace {

using agents::Chooser;
using agents::LayerMemories;
using State = MemoryCell::State;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr double kGhostSteps = 24, kRamp = 4;  // the ramp of kExpireSpan

void Play(Session& session, int64_t steps) {
  for (int64_t step = 0; step < steps && session.PlayStep(); ++step) {
  }
}

std::unique_ptr<TestPlayer> WithPolicy(const std::vector<std::string>& core) {
  const auto run = LongRun(core);
  return std::make_unique<TestPlayer>(run, RandomPolicy(run));
}

/// A session that has played random actions, and the frame of any of its steps.
class Described : public testing::Test {
 protected:
  void Begin(std::unique_ptr<TestPlayer> player, int64_t steps, Chooser chooser = Chooser::kRandom) {
    test_ = std::make_unique<TestSession>(std::move(player));
    session().SetChooser(chooser);
    Play(session(), steps);
  }
  Session& session() { return test_->session; }
  const agents::PlayedEpisode& episode() { return session().episode(0); }
  const AgentView& Agent(int64_t step) {
    session().ShowStep(step);
    Describe(session(), {}, frame_);
    return frame_.agents.at(0);
  }

  std::unique_ptr<TestSession> test_;
  Frame frame_;
};

/// By step, what a layer's memories are worth for one head or the mean of all.
struct Expected {
  double attention, remaining, mask;
};
std::map<int64_t, Expected> ExpectedOf(const LayerMemories& layer, int64_t now, int head) {
  std::map<int64_t, Expected> expected;
  const size_t count = layer.steps.size();
  for (size_t i = 0; i < count; ++i) {
    double attention = 0;
    for (int64_t h = 0; h < layer.heads; ++h) {
      const double share = head < 0 ? 1.0 / static_cast<double>(layer.heads) : h == head ? 1 : 0;
      attention += share * layer.weights[static_cast<size_t>(h) * count + i];
    }
    expected[layer.steps[i]] = {attention, layer.spans[i] - static_cast<double>(now - layer.steps[i]), layer.masks[i]};
  }
  return expected;
}

bool IsSorted(const std::vector<MemoryCell>& cells, MemoryOrder order) {
  return std::ranges::is_sorted(cells, [order](const MemoryCell& a, const MemoryCell& b) {
    if (order == MemoryOrder::kTime) return a.step < b.step;
    return order == MemoryOrder::kSpan ? a.remaining > b.remaining : a.attention > b.attention;
  });
}

std::string WaysOf(const Frame& frame) {
  std::string text;
  for (const Frame::Way& way : frame.memories) text += (text.empty() ? "" : ", ") + way.text;
  return text;
}

void ExpectLiving(const MemoryCell& cell, const Expected& memory, double strongest) {
  EXPECT_EQ(cell.state, memory.mask < 1 ? State::kOnRamp : State::kLiving);
  EXPECT_EQ(cell.remaining < 0, cell.state == State::kOnRamp);
  EXPECT_NEAR(cell.attention, memory.attention, 1e-6);
  EXPECT_NEAR(cell.remaining, memory.remaining, 1e-9);
  EXPECT_NEAR(cell.brightness, strongest > 0 ? std::sqrt(cell.attention / strongest) : 0, 1e-6);
  EXPECT_GE(cell.warmth, 0);
  EXPECT_LE(cell.warmth, 1);
  EXPECT_EQ(cell.ghost, 0);
}

void ExpectDead(const MemoryCell& cell) {
  EXPECT_EQ(cell.state, State::kExpired);
  EXPECT_EQ(cell.attention, 0);
  EXPECT_LT(cell.remaining, 0);
}

/// Every memory of the layer is one cell, and every other past step a dead one, or none where only the living count.
void ExpectCells(const LayerView& view, const LayerMemories& layer, const agents::PlayedEpisode& episode, size_t l,
                 int64_t now, const Session& session) {
  const auto expected = ExpectedOf(layer, now, session.head());
  ASSERT_EQ(view.cells.size(), session.only_living() ? layer.steps.size() : static_cast<size_t>(now));
  EXPECT_EQ(view.left_out, 0);
  EXPECT_EQ(view.living, static_cast<int64_t>(layer.steps.size()));
  EXPECT_EQ(view.living, episode.At(now).living[l]);
  EXPECT_EQ(view.bytes_per_memory, episode.BytesPerMemory());
  EXPECT_TRUE(IsSorted(view.cells, session.order()));
  double strongest = 0;
  for (const auto& [step, memory] : expected) strongest = std::max(strongest, memory.attention);
  std::map<int64_t, int> seen;
  for (const MemoryCell& cell : view.cells) {
    SCOPED_TRACE(cell.step);
    EXPECT_EQ(++seen[cell.step], 1);
    EXPECT_EQ(cell.is_cue, episode.At(cell.step).is_cue);
    const auto memory = expected.find(cell.step);
    memory == expected.end() ? ExpectDead(cell) : ExpectLiving(cell, memory->second, strongest);
  }
}

class DescribedMemories : public Described, public testing::WithParamInterface<std::vector<std::string>> {};

TEST_P(DescribedMemories, AreThoseOfTheEpisode) {
  Begin(WithPolicy(GetParam()), 50);
  bool some_ramp = false, some_dead = false;
  for (int i = 0; i < 18; ++i) {  // mean and two heads, three orders, all and living only
    if (i % 3 == 0) session().Apply(Control::kOrder);
    if (i == 9) session().Apply(Control::kOnlyLiving);
    session().Apply(Control::kHead);
    for (const int64_t step : {0, 1, 17, 50}) {
      SCOPED_TRACE(fmt::format("step {}, head {}, order {}", step, session().head(), int(session().order())));
      const AgentView& agent = Agent(step);
      const auto& layers = session().episode(0).MemoriesAt(step);
      ASSERT_EQ(agent.layers.size(), layers.size());
      for (size_t l = 0; l < layers.size(); ++l) {
        ExpectCells(agent.layers[l], layers[l], episode(), l, step, session());
        for (const MemoryCell& cell : agent.layers[l].cells)
          some_ramp |= cell.state == State::kOnRamp, some_dead |= cell.state == State::kExpired;
        const auto& spans = episode().At(step).spans;
        EXPECT_EQ(agent.layers[l].new_span, l < spans.size() ? std::optional(spans[l]) : std::nullopt);
      }
      EXPECT_EQ(agent.layers_note, "");
    }
    session().ShowStep(50);  // heads are counted by what this step sees
  }
  EXPECT_EQ(session().head(), -1);
  EXPECT_TRUE(some_dead);
  EXPECT_EQ(some_ramp, GetParam().back().find("memory_length") == std::string::npos);
}

const std::vector<std::string> kTransformerXl = {"memory.core=transformer_xl", "memory.ffn=32", "memory.heads=2",
                                                 "memory.memory_length=13"},
                               kAdaptiveSpan = {
                                   "memory.core=adaptive_span", "memory.ffn=32", "memory.heads=2",
                                   "memory.span_limit=20",      "memory.ramp=6", "memory.initial_ratio=0.4"};
const std::vector<std::string> kCoreNames = {"expire_span", "transformer_xl", "adaptive_span"};
INSTANTIATE_TEST_SUITE_P(Cores, DescribedMemories, testing::Values(kExpireSpan, kTransformerXl, kAdaptiveSpan),
                         [](const auto& core) { return kCoreNames[core.index]; });

/// A step that is remembered both as it was and compressed has two cells; none behind it is lost.
TEST_F(Described, CompressedMemoriesAreShownBesideWholeOnes) {
  Begin(WithPolicy({"memory.core=compressive", "memory.ffn=32", "memory.heads=2", "memory.memory_length=6",
                    "memory.slots=3", "memory.rate=2"}),
        40);
  bool some_twice = false;
  for (int64_t step = 0; step <= 40; ++step) {
    const AgentView& agent = Agent(step);
    const LayerMemories memories = session().episode(0).MemoriesAt(step)[0];
    std::vector<int64_t> living;
    for (const MemoryCell& cell : agent.layers[0].cells)
      if (cell.state != State::kExpired) living.push_back(cell.step);
    EXPECT_EQ(living, memories.steps) << step;
    some_twice |= std::ranges::adjacent_find(memories.steps) != memories.steps.end();
  }
  EXPECT_TRUE(some_twice);
}

TEST_F(Described, GhostsFade) {
  Begin(WithPolicy(kExpireSpan), 60);
  const AgentView& agent = Agent(60);
  std::vector<double> ghosts;
  for (size_t l = 0; l < agent.layers.size(); ++l) {
    for (const MemoryCell& cell : agent.layers[l].cells) {
      if (cell.state != State::kExpired) continue;
      const double expired_for = static_cast<double>(60 - cell.step) - episode().At(cell.step).spans[l] - kRamp;
      EXPECT_GE(expired_for, 0);
      EXPECT_NEAR(cell.ghost, std::clamp(1 - expired_for / kGhostSteps, 0.0, 1.0), 1e-9);
      ghosts.push_back(cell.ghost);
    }
  }
  EXPECT_THAT(ghosts, Contains(0));
  EXPECT_THAT(ghosts, Contains(testing::Gt(0.9)));
}

/// Their memories all have one span, which no step predicts.
TEST_F(Described, GhostsOfCoresThatPredictNoSpans) {
  Begin(WithPolicy(kTransformerXl), 50);
  for (const MemoryCell& cell : Agent(50).layers[1].cells) {
    const int64_t age = 50 - cell.step, expired_for = age - 13;
    EXPECT_EQ(cell.state == State::kExpired, expired_for > 0) << age;
    if (expired_for <= 0) continue;
    EXPECT_EQ(cell.remaining, -expired_for);
    EXPECT_NEAR(cell.ghost, std::max(0.0, 1 - static_cast<double>(expired_for) / kGhostSteps), 1e-9) << age;
  }
}

/// Colours go to the longest span of the episode so far.
TEST_F(Described, WarmthIsLogarithmic) {
  Begin(WithPolicy(kExpireSpan), 40);
  const double longest = session().seats()[0].longest_span;
  const AgentView& agent = Agent(40);
  for (const MemoryCell& cell : agent.layers[0].cells) {
    const double left = std::max(0.0, cell.remaining);
    if (cell.state == State::kExpired) continue;
    EXPECT_NEAR(cell.warmth, std::log1p(left) / std::log1p(longest), 1e-9);
  }
}

TEST_F(Described, LongEpisodesLeaveOutWhatIsDeadForLong) {
  const auto run = CorridorOf(5'000, {"env.limit_scale=4", "memory.dim=16", "memory.ffn=32", "memory.heads=2",
                                      "memory.span_limit=24", "memory.ramp=4", "memory.layers=1", "train.num_envs=8",
                                      "train.unroll_length=8", "consolidate.max_steps=0"});
  Begin(std::make_unique<TestPlayer>(run, RandomPolicy(run)), 4'200);
  const LayerView& layer = Agent(4'200).layers[0];
  EXPECT_EQ(layer.left_out, 4'200 - 512);
  ASSERT_EQ(layer.cells.size(), 512u);
  EXPECT_EQ(layer.cells.front().step, 4'200 - 512);
  EXPECT_EQ(layer.cells.back().step, 4'199);
  EXPECT_EQ(Agent(512).layers[0].left_out, 0);
  EXPECT_EQ(Agent(512).layers[0].cells.size(), 512u);
  session().SetOnlyLiving(true);
  const LayerView& living = Agent(4'200).layers[0];
  EXPECT_EQ(living.left_out, 0);
  EXPECT_EQ(static_cast<int64_t>(living.cells.size()), living.living);
}

TEST_F(Described, CoresThatAreNotMadeOfStepsSaySo) {
  for (const char* core : {"memory.core=gru", "memory.core=none"}) {
    Begin(WithPolicy({core}), 20);
    const AgentView& agent = Agent(20);
    EXPECT_THAT(agent.layers, IsEmpty());
    EXPECT_THAT(agent.layers_note, HasSubstr("not made of steps"));
    EXPECT_FALSE(agent.policy.probabilities.empty());
    session().Select(MemoryPlace{0, 0, 3});
    Agent(20);
    ASSERT_NE(frame_.selected, std::nullopt);
    EXPECT_THAT(frame_.selected->attention, IsEmpty());
    EXPECT_EQ(frame_.selected->span, std::nullopt);
  }
}

TEST_F(Described, WithoutAPolicyNobodyRemembers) {
  Begin(std::make_unique<TestPlayer>(CorridorOf(10)), 3);
  const AgentView& agent = Agent(3);
  EXPECT_THAT(agent.layers, IsEmpty());
  EXPECT_THAT(agent.layers_note, HasSubstr("nothing is remembered"));
  EXPECT_TRUE(agent.policy.probabilities.empty());
  EXPECT_THAT(agent.policy.actions, ElementsAre("up", "right", "down", "left")) << "a person's keys need them";
}

/// A frame is filled again and again: nothing of another episode stays.
TEST_F(Described, FramesForgetWhatTheyShowedBefore) {
  Begin(WithPolicy(kExpireSpan), 30);
  session().Select(MemoryPlace{0, 0, 3});
  Agent(30);
  Begin(std::make_unique<TestPlayer>(CorridorOf(5)), 0);
  const AgentView again = Agent(0);
  EXPECT_THAT(again.layers, IsEmpty());
  EXPECT_THAT(again.board.marks, IsEmpty());
  EXPECT_TRUE(again.policy.probabilities.empty());
  EXPECT_EQ(again.policy.value_now, 0);
  EXPECT_EQ(frame_.selected, std::nullopt);
}

TEST_F(Described, ThePolicyOfTheStepThatIsShown) {
  Begin(WithPolicy(kExpireSpan), 20);
  for (const int64_t step : {0, 7, 20}) {
    const PolicyView& policy = Agent(step).policy;
    const agents::EpisodeStep& at = episode().At(step);
    EXPECT_EQ(policy.probabilities, at.probabilities);
    EXPECT_EQ(policy.action, at.action);
    EXPECT_EQ(policy.value_now, at.value);
    EXPECT_EQ(policy.entropy_now, session().seats()[0].course.entropy[static_cast<size_t>(step)]);
  }
  EXPECT_EQ(Agent(20).policy.action, -1) << "none yet";
}

TEST_F(Described, TheEndOfAnEpisode) {
  Begin(std::make_unique<TestPlayer>(CorridorOf(6)), 100, Chooser::kOracle);
  const AgentView& before = Agent(5);
  EXPECT_FALSE(before.has_outcome) << "not at this step";
  EXPECT_EQ(before.outcome, "step 5   return 0");
  EXPECT_EQ(before.board.flash, 0);
  const AgentView& after = Agent(6);
  EXPECT_TRUE(after.has_outcome);
  EXPECT_THAT(after.outcome, StartsWith("ended: score 1 (success)"));
  EXPECT_THAT(after.outcome, HasSubstr("length 6"));
  EXPECT_EQ(after.board.flash, 1);
  Begin(std::make_unique<TestPlayer>(CorridorOf(6, {"env.max_steps=4"})), 100, Chooser::kOracle);
  EXPECT_THAT(Agent(4).outcome, StartsWith("out of time: score 0 (success)"));
}

TEST_F(Described, WhatTheWholeFrameSays) {
  Begin(WithPolicy(kExpireSpan), 12, Chooser::kSample);
  session().Say("hello");
  const AgentView& agent = Agent(5);
  EXPECT_EQ(agent.name, "test");
  EXPECT_EQ(agent.status, "well");
  EXPECT_EQ(agent.step, 5);
  EXPECT_EQ(agent.newest, 12);
  EXPECT_EQ(frame_.step, 5);
  EXPECT_EQ(frame_.newest, 12);
  EXPECT_EQ(frame_.environment, "Corridor-Short-v0");
  EXPECT_EQ(frame_.place, "seed 5, episode 0");
  EXPECT_EQ(frame_.pace, "8 steps/s");
  EXPECT_EQ(frame_.choice, "sample");
  EXPECT_EQ(WaysOf(frame_), "mean of heads, by time, all");
  EXPECT_EQ(frame_.note, "hello");
  EXPECT_FALSE(frame_.is_playing);
  EXPECT_FALSE(frame_.is_person);
  session().SetPlaying(true);
  session().Apply(Control::kUnlimited);
  for (const Control control : {Control::kHead, Control::kOrder, Control::kOnlyLiving, Control::kChooser})
    session().Apply(control);
  Describe(session(), {3, 4}, frame_);
  EXPECT_EQ(frame_.pace, "unlimited");
  EXPECT_EQ(frame_.choice, "greedy");
  EXPECT_EQ(WaysOf(frame_), "head 1, by span, living only");
  EXPECT_EQ(frame_.pointer.x, 3);
  EXPECT_TRUE(frame_.is_playing);
}

TEST_F(Described, SlowSpeedsAreSaidInFull) {
  Begin(std::make_unique<TestPlayer>(CorridorOf(6)), 1);
  session().SetSpeed(1.5);
  Agent(0);
  EXPECT_EQ(frame_.pace, "1.5 steps/s");
}

TEST_F(Described, APersonsFrame) {
  auto person = std::make_unique<TestPlayer>(CorridorOf(6));
  person->person = true;
  Begin(std::move(person), 0);
  Agent(0);
  EXPECT_TRUE(frame_.is_person);
  EXPECT_FALSE(frame_.is_playing);
  EXPECT_EQ(frame_.choice, "you act");
}

/// Of the tokens behind the cells, in words.
TEST_F(Described, CaptionsNameWordsAndWhatWasHeardStays) {
  const std::shared_ptr<const agents::RunOptions> run = agents::MakeRun({"env.id=Instruction-Short-v0"});
  Begin(std::make_unique<TestPlayer>(run), 200, Chooser::kOracle);
  const envs::TokenSpec& token = episode().spec().tokens.back();
  ASSERT_FALSE(token.values.empty());
  std::vector<std::string> heard;
  for (int64_t step = 0; step <= session().newest(); ++step) {
    const uint8_t word = episode().At(step).observation.back();
    const std::string name = word < token.values.size() ? token.values[word] : std::to_string(word);
    if (word > 0 && word < token.values.size()) heard.push_back(token.values[word]);
    if (heard.size() > 8) heard.erase(heard.begin());
    std::vector<std::string> want;
    if (word > 0) want.push_back("word: " + name);
    if (!heard.empty()) want.push_back(fmt::format("heard: {}", fmt::join(heard, " ")));
    ASSERT_EQ(Agent(step).board.captions, want) << step;
  }
  EXPECT_EQ(heard.size(), 8u);
}

TEST_F(Described, CaptionsNameAHintedAction) {
  Begin(std::make_unique<TestPlayer>(CorridorOf(6, {"env.hint=true"})), 100, Chooser::kOracle);
  for (int64_t step = 0; step < 6; ++step) {
    const auto action = static_cast<size_t>(episode().At(step).action);
    EXPECT_THAT(Agent(step).board.captions, ElementsAre("hint: " + episode().spec().action_names[action])) << step;
  }
}

TEST_F(Described, EveryTokenBehindTheCellsHasACaption) {
  const std::shared_ptr<const agents::RunOptions> run = agents::MakeRun({"env.id=Concentration-v0"});
  Begin(std::make_unique<TestPlayer>(run), 0);
  const auto& captions = Agent(0).board.captions;
  ASSERT_EQ(captions.size(), episode().spec().tokens.size());
  EXPECT_EQ(captions[0], "label of card 0: face down");
}

TEST_F(Described, ThePictureIsThatOfTheStep) {
  Begin(std::make_unique<TestPlayer>(CorridorOf(6)), 4, Chooser::kOracle);
  for (const int64_t step : {4, 0, 2}) {
    const BoardView& board = Agent(step).board;
    EXPECT_EQ(board.picture.agent_column, step + 1);
    EXPECT_EQ(board.view, 3);
    EXPECT_FALSE(board.is_blind);
  }
  session().SetBlind(true);
  EXPECT_TRUE(Agent(0).board.is_blind);
}

/// A picture shows the part of a long corridor around the agent; a place keeps its column of the grid.
TEST_F(Described, MarksFollowAPictureThatScrolls) {
  const auto run = CorridorOf(300);
  Begin(std::make_unique<TestPlayer>(run), 200, Chooser::kOracle);
  bool has_scrolled = false;
  int outside = 0;
  for (const int64_t made : {0, 100, 180, 195, 199}) {
    session().Select(MemoryPlace{0, 0, made});
    const AgentView& agent = Agent(200);
    const envs::Picture& now = agent.board.picture;
    has_scrolled |= now.first_column > 0;
    const auto column = static_cast<int>(made) + 1 - now.first_column;  // step s was at column s + 1 of the grid
    outside += column < 0;                                              // the board says where
    ASSERT_EQ(agent.board.marks.size(), 1u) << made;
    EXPECT_EQ(agent.board.marks[0].column, column);
    EXPECT_EQ(agent.board.marks[0].row, 1);
    EXPECT_EQ(agent.board.marks[0].text, std::to_string(made));
  }
  EXPECT_TRUE(has_scrolled);
  EXPECT_GT(outside, 0);
}

class DescribedDetail : public Described {
 protected:
  DescribedDetail() { Begin(WithPolicy(kExpireSpan), 50); }

  /// A memory of layer 1 in a state, as step 50 sees it.
  MemoryCell Find(State state) {
    const auto& cells = Agent(50).layers[1].cells;
    const auto found = std::ranges::find(cells, state, &MemoryCell::state);
    EXPECT_NE(found, cells.end());
    return *found;
  }
};

TEST_F(DescribedDetail, HoldsWhatTheMemoryIs) {
  for (const State state : {State::kLiving, State::kOnRamp, State::kExpired}) {
    const MemoryCell cell = Find(state);
    session().Select(MemoryPlace{0, 1, cell.step});
    Agent(50);
    ASSERT_NE(frame_.selected, std::nullopt);
    EXPECT_EQ(frame_.hovered, std::nullopt);
    const MemoryDetail& detail = *frame_.selected;
    EXPECT_EQ(detail.place, (MemoryPlace{0, 1, cell.step}));
    EXPECT_EQ(detail.state, state);
    EXPECT_EQ(detail.remaining, cell.remaining);
    const agents::EpisodeStep& made = episode().At(cell.step);
    EXPECT_NEAR(detail.span.value(), made.spans[1], 1e-4);
    EXPECT_EQ(detail.action, episode().spec().action_names[static_cast<size_t>(made.action)]);
    EXPECT_EQ(detail.reward, made.reward);
    ASSERT_EQ(detail.attention.size(), state == State::kExpired ? 0u : 2u);
    if (state != State::kExpired) {
      EXPECT_NEAR((detail.attention[0] + detail.attention[1]) / 2, cell.attention, 1e-6);
    }
    ASSERT_EQ(detail.seen.cells.size(), 9u);
    EXPECT_EQ(detail.seen.rows, 3);
    EXPECT_EQ(detail.seen.agent_row, 1);
    EXPECT_EQ(detail.seen.agent_column, 1);
    for (size_t i = 0; i < 9; ++i)
      EXPECT_EQ(detail.seen.cells[i], (envs::Cell{made.observation[2 * i], made.observation[2 * i + 1]}));
  }
}

TEST_F(DescribedDetail, TheOneThatIsPointedAtAndTheOneThatIsMarked) {
  session().Select(MemoryPlace{0, 0, 40});
  session().Hover(MemoryPlace{0, 1, 45});
  EXPECT_EQ(Agent(50).board.marks.size(), 2u);
  ASSERT_TRUE(frame_.selected && frame_.hovered);
  EXPECT_EQ(frame_.selected->place.step, 40);
  EXPECT_EQ(frame_.hovered->place.step, 45);
  session().Hover(MemoryPlace{0, 0, 40});
  EXPECT_EQ(Agent(50).board.marks.size(), 1u) << "one place, one mark";
  ASSERT_TRUE(frame_.selected && frame_.hovered);
  EXPECT_EQ(frame_.hovered->place, frame_.selected->place);
}

/// Nothing is said of a step that the one shown does not remember yet.
TEST_F(DescribedDetail, NotOfTheFutureNorOfThePresent) {
  session().Select(MemoryPlace{0, 0, 40});
  for (const int64_t step : {10, 39, 40}) {
    EXPECT_THAT(Agent(step).board.marks, IsEmpty());
    EXPECT_EQ(frame_.selected, std::nullopt) << step;
  }
  Agent(41);
  ASSERT_NE(frame_.selected, std::nullopt);
  EXPECT_EQ(frame_.selected->remaining, *frame_.selected->span - 1);
}

TEST(DescribedTwo, EachPlayerHasItsOwnMemories) {
  std::vector<std::unique_ptr<TestPlayer>> two;
  two.push_back(WithPolicy(kExpireSpan)), two.push_back(WithPolicy({"memory.core=none"}));
  TestSession test(std::move(two));
  test.session.SetChooser(Chooser::kRandom);
  Play(test.session, 20);
  test.session.Select(MemoryPlace{1, 0, 7});
  test.session.Hover(MemoryPlace{0, 0, 9});
  Frame frame;
  Describe(test.session, {}, frame);
  ASSERT_EQ(frame.agents.size(), 2u);
  EXPECT_FALSE(frame.agents[0].layers.empty());
  EXPECT_TRUE(frame.agents[1].layers.empty());
  ASSERT_TRUE(frame.selected && frame.hovered);
  EXPECT_EQ(frame.selected->place.agent, 1);
  EXPECT_TRUE(frame.selected->attention.empty());
  EXPECT_EQ(frame.hovered->place.agent, 0);
  ASSERT_EQ(frame.agents[0].board.marks.size(), 1u);
  EXPECT_EQ(frame.agents[0].board.marks[0].text, "9");
  ASSERT_EQ(frame.agents[1].board.marks.size(), 1u);
  EXPECT_EQ(frame.agents[1].board.marks[0].text, "7");
}

}  // namespace
}  // namespace lethe::tools
