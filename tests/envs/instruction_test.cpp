#include <bit>
#include <cmath>
#include <deque>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/grid.h"
#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

constexpr int kSmallestFloor = 4;

// Two objects of single kinds and two pads on the smallest floor, the agent in a corner:
//   @ . . .     red chair at (1, 3), blue table at (3, 1), red pad at (3, 3), blue pad at (4, 4)
Json Items() {
  return {{{"kind", 6}, {"colour", 1}, {"at", {1, 3}}},
          {{"kind", 7}, {"colour", 2}, {"at", {3, 1}}},
          {{"kind", 5}, {"colour", 1}, {"at", {3, 3}}},
          {{"kind", 5}, {"colour", 2}, {"at", {4, 4}}}};
}

struct Sentence {
  std::string type;
  int target;
  int start;
};

// A batch of one on the floor above with these instructions, whose gaps may be anything up to 20.
std::unique_ptr<EnvBatch> At(const std::vector<Sentence>& sentences, Changes changes = {}) {
  const Entry& entry = Find("Instruction-v0");
  const auto params = entry.make_params();
  for (const Change& change :
       Changes{{"floor_size", kSmallestFloor}, {"colors", 2}, {"pairs", 0}, {"instructions", sentences.size()}}) {
    params->Set(change.name, change.value);
  }
  for (const Change& change : changes) params->Set(change.name, change.value);
  const auto number = [&](const char* name) { return params->Get(name).get<int64_t>(); };
  const int64_t formula = number("instructions") * (number("gap_max") + 4 + number("hold")) + 10 * kSmallestFloor;
  std::vector<int> words((number("max_steps") > 0 ? number("max_steps") : formula) + 1);
  Json instructions = Json::array();
  for (const Sentence& s : sentences) {
    instructions.push_back({{"type", s.type}, {"target", s.target}, {"start", s.start}});
    const std::vector<int> act = {1, 5 + s.target, 13 + s.target}, ask = {2, 3, 4, 13 + s.target};
    int at = s.start;
    for (int word : s.type == "act" ? act : ask) {
      if (at < std::ssize(words)) words[at++] = word;
    }
  }
  auto batch = entry.make_batch(*params, {.size = 1});
  batch->LoadLevel(0, Json{{"env", "Instruction"},
                           {"version", 0},
                           {"params", params->ToJson()},
                           {"agent", {1, 1}},
                           {"items", Items()},
                           {"instructions", instructions},
                           {"words", words}}
                          .dump());
  return batch;
}

// Plays "urdls" letters and gives the output of the last step.
Buffers Play(EnvBatch& batch, const std::string& moves) {
  Buffers buffers(batch);
  for (char move : moves) {
    buffers.actions[0] = static_cast<uint8_t>(std::string("urdls").find(move));
    buffers.Step(batch);
  }
  return buffers;
}

int WordOf(const EnvBatch& batch, const Buffers& buffers) { return buffers.observations[batch.num_tokens() - 1]; }

void ExpectMetrics(const EnvBatch& batch, const std::map<std::string, float>& expected) {
  for (const auto& [name, value] : expected) EXPECT_FLOAT_EQ(Metric(batch, 0, name), value) << name;
}

TEST(Instruction, LooksLikeThePicture) {
  const auto batch = At({{"act", 0, 0}});
  EXPECT_EQ(batch->Text(0),
            "############\n"
            "##@ . hR. ##\n"
            "##. . . . ##\n"
            "##tB. _R. ##\n"
            "##. . . _B##\n"
            "############\n");
  Play(*batch, "sssrr");
  EXPECT_THAT(batch->Text(0), HasSubstr("##. . @R. ##\n"));
}

TEST(Instruction, ObservesCellsAndWord) {
  const auto batch = At({{"act", 1, 2}});
  Buffers buffers(*batch);
  batch->Observe(buffers.observations.data());
  EXPECT_EQ(buffers.observations, (std::vector<uint8_t>{2, 0, 2, 0, 2, 0, 2, 0, 1, 0, 1, 0, 2, 0, 1, 0, 1, 0, 0}));
  EXPECT_EQ(Play(*batch, "d").observations,
            (std::vector<uint8_t>{2, 0, 1, 0, 1, 0, 2, 0, 1, 0, 1, 0, 2, 0, kTable, 2, 1, 0, 0}));
  EXPECT_EQ(WordOf(*batch, Play(*batch, "s")), 1);
  EXPECT_EQ(WordOf(*batch, Play(*batch, "s")), 6);
  EXPECT_EQ(WordOf(*batch, Play(*batch, "s")), 14);
  EXPECT_EQ(WordOf(*batch, Play(*batch, "s")), 0);
}

TEST(Instruction, AWideViewShowsWhatIsOutside) {
  const auto batch = At({{"act", 1, 2}}, {{"view", 7}});
  Buffers buffers(*batch);
  batch->Observe(buffers.observations.data());
  const auto kind_at = [&](int row, int column) { return buffers.observations[2 * ((row + 2) * 7 + column + 2)]; };
  EXPECT_EQ(kind_at(-2, 0), kOutside);
  EXPECT_EQ(kind_at(0, -2), kOutside);
  EXPECT_EQ(kind_at(0, 0), kWall);
  EXPECT_EQ(kind_at(1, 3), kChair);
  EXPECT_EQ(kind_at(3, 3), kPad);
}

TEST(Instruction, WallsCostAStepAndStop) {
  const auto batch = At({{"act", 0, 20}});
  const std::string start = batch->Text(0);
  Play(*batch, "uls");
  EXPECT_EQ(batch->Text(0), start);
}

TEST(Instruction, ActionsHaveNoEffectOnListeningSteps) {
  for (const int hold : {0, 2}) {
    const auto batch = At({{"act", 0, 1}}, {{"hold", hold}});
    const auto place = [&] { return batch->Text(0).find('@'); };
    size_t before = place();
    Play(*batch, "d");  // step 0
    EXPECT_NE(place(), before);
    before = place();
    Play(*batch, std::string(3 + hold, 'r'));
    EXPECT_EQ(place(), before);
    Play(*batch, "r");
    EXPECT_NE(place(), before);
  }
}

TEST(Instruction, TheObjectOfAnActPaysOneAndEndsTheLastInstruction) {
  const auto batch = At({{"act", 0, 0}}, {{"step_cost", 0.125}});
  EXPECT_EQ(Play(*batch, "sssr").rewards[0], -0.125f);
  const Buffers last = Play(*batch, "r");
  EXPECT_EQ(last.rewards[0], 0.875f);
  EXPECT_TRUE(last.terminated[0]);
  ExpectMetrics(*batch, {{"success", 1},
                         {"instructions_given", 1},
                         {"instructions_done", 1},
                         {"acts_done", 1},
                         {"asks_done", 0},
                         {"failed", 0},
                         {"dropped", 0},
                         {"steps", 5}});
}

TEST(Instruction, AnotherObjectFailsAndIsTheOnlyAttempt) {
  const auto batch = At({{"act", 0, 0}}, {{"wrong_reward", -0.5}});
  const Buffers last = Play(*batch, "sssdd");  // onto the table
  EXPECT_EQ(last.rewards[0], -0.5f);
  EXPECT_TRUE(last.terminated[0]);
  ExpectMetrics(*batch, {{"success", 0}, {"instructions_given", 1}, {"instructions_done", 0}, {"failed", 1}});
}

TEST(Instruction, ThePadOfTheColourAnswersAnAsk) {
  const auto right = At({{"ask", 0, 0}});
  const Buffers last = Play(*right, "ssssrdrd");  // past no object
  EXPECT_EQ(last.rewards[0], 1);
  EXPECT_TRUE(last.terminated[0]);
  ExpectMetrics(*right, {{"asks_done", 1}, {"acts_done", 0}, {"success", 1}});
  const auto wrong = At({{"ask", 1, 0}});
  EXPECT_EQ(Play(*wrong, "ssssrdrd").rewards[0], 0);
  ExpectMetrics(*wrong, {{"asks_done", 0}, {"failed", 1}});
}

TEST(Instruction, ObjectsDoNotAnswerAsksNorPadsActs) {
  const auto ask = At({{"ask", 0, 0}});
  EXPECT_FALSE(Play(*ask, "ssssrr").terminated[0]);  // the chair
  const auto act = At({{"act", 0, 0}});
  EXPECT_FALSE(Play(*act, "sssrdrd").terminated[0]);  // the red pad
  EXPECT_TRUE(Play(*act, "uu").terminated[0]);
}

TEST(Instruction, StandingOnAnItemIsNoEntry) {
  const auto batch = At({{"act", 0, 2}});
  Play(*batch, "rrsss");                      // on the chair when it opens
  EXPECT_FALSE(Play(*batch, "su").ended(0));  // stays, then bumps into the wall
  EXPECT_FALSE(Play(*batch, "r").ended(0));
  const Buffers last = Play(*batch, "l");
  EXPECT_EQ(last.rewards[0], 1);
  EXPECT_TRUE(last.terminated[0]);
}

TEST(Instruction, AnEntryWithNothingOpenDoesNothing) {
  const auto batch = At({{"act", 0, 5}}, {{"wrong_reward", -1}});
  EXPECT_EQ(Play(*batch, "dd").rewards[0], 0);
  EXPECT_EQ(Play(*batch, "uurrs").rewards[0], 0);
  EXPECT_FALSE(Play(*batch, "s").ended(0));
}

// Two ACTs and an ASK are open; objects meet the ACTs in the order heard, pads the ASK, in any order.
TEST(Instruction, EachKindIsDoneInTheOrderHeard) {
  const std::vector<Sentence> sentences = {{"act", 1, 0}, {"ask", 0, 3}, {"act", 0, 7}};
  const auto batch = At(sentences, {{"wrong_reward", -0.25}});
  Play(*batch, std::string(10, 's'));
  EXPECT_EQ(Play(*batch, "rr").rewards[0], -0.25f);  // the chair: not the first ACT's, which has failed
  EXPECT_EQ(Play(*batch, "lr").rewards[0], 1);       // again: now the second's
  const Buffers last = Play(*batch, "dd");           // the red pad
  EXPECT_EQ(last.rewards[0], 1);
  EXPECT_TRUE(last.terminated[0]);
  ExpectMetrics(*batch, {{"acts_done", 1}, {"asks_done", 1}, {"failed", 1}, {"instructions_done", 2}, {"steps", 16}});
  EXPECT_FLOAT_EQ(Metric(*batch, 0, "success"), 2.f / 3);
}

TEST(Instruction, AnAskMayBeClosedBeforeAnOlderAct) {
  const auto batch = At({{"act", 0, 0}, {"ask", 0, 3}, {"act", 1, 7}});
  Play(*batch, std::string(10, 's'));
  EXPECT_EQ(Play(*batch, "rdrd").rewards[0], 1);  // ASK, the middle one
  EXPECT_EQ(Play(*batch, "uu").rewards[0], 1);    // ACT 0
  EXPECT_EQ(Play(*batch, "lldd").rewards[0], 1);  // ACT 1
  ExpectMetrics(*batch, {{"success", 1}});
}

TEST(Instruction, AFullQueueDropsTheOldestOfEitherKind) {
  const auto batch = At({{"ask", 0, 0}, {"act", 0, 4}, {"act", 1, 7}}, {{"queue_limit", 2}});
  Play(*batch, std::string(10, 's'));
  EXPECT_FALSE(Play(*batch, "rdrd").rewards[0]);  // the ASK is gone
  EXPECT_EQ(Play(*batch, "uu").rewards[0], 1);
  const Buffers last = Play(*batch, "lldd");
  EXPECT_EQ(last.rewards[0], 1);
  EXPECT_TRUE(last.terminated[0]);
  ExpectMetrics(*batch, {{"dropped", 1}, {"failed", 0}, {"instructions_given", 3}, {"instructions_done", 2}});
}

TEST(Instruction, DoesNotEndBeforeAllWereGiven) {
  const auto batch = At({{"act", 0, 0}, {"act", 1, 20}});
  EXPECT_FALSE(Play(*batch, "sssrr").terminated[0]);
  EXPECT_EQ(Play(*batch, "lldd").rewards[0], 0);  // not yet said
  EXPECT_FALSE(Play(*batch, std::string(14, 's')).ended(0));
  EXPECT_TRUE(Play(*batch, "ud").terminated[0]);
}

TEST(Instruction, TheClockRunsOutByTheFormula) {
  const auto batch = At({{"act", 0, 0}}, {{"gap_max", 7}, {"hold", 5}});
  EXPECT_FALSE(Play(*batch, std::string(7 + 4 + 5 + 40 - 1, 's')).ended(0));
  EXPECT_TRUE(Play(*batch, "s").truncated[0]);
  ExpectMetrics(*batch, {{"success", 0}, {"instructions_given", 1}, {"failed", 0}, {"dropped", 0}});
}

TEST(Instruction, WordsBeyondTheLimitAreCutAndTheirInstructionIsNotGiven) {
  const auto batch = At({{"ask", 0, 3}}, {{"max_steps", 5}});
  const Buffers last = Play(*batch, "sssss");
  EXPECT_TRUE(last.truncated[0]);
  EXPECT_EQ(WordOf(*batch, last), 4);
  EXPECT_EQ(Json::parse(batch->LevelJson(0))["words"], Json({0, 0, 0, 2, 3, 4}));
  ExpectMetrics(*batch, {{"instructions_given", 0}, {"success", 0}});
}

TEST(Instruction, ACueIsAnObservationWithAnInstructionWord) {
  const auto batch = At({{"ask", 0, 1}});
  std::string cues;
  for (int t = 0; t < 7; ++t) {
    cues += batch->IsCue(0) ? '1' : '0';
    Play(*batch, "s");
  }
  EXPECT_EQ(cues, "0111100");
}

TEST(Instruction, AFillerIsNoCue) {
  const auto batch = MakeBatch("Instruction-v0", {.size = 1}, {{"noise", 1}, {"fillers", 1}, {"gap_min", 20}});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  EXPECT_EQ(WordOf(*batch, buffers), 21);
  EXPECT_FALSE(batch->IsCue(0));
}

// --- Levels.

TEST(Instruction, DrawnLevelsKeepTheRules) {
  for (const char* id : {"Instruction-v0", "Instruction-Short-v0", "Instruction-Large-v0", "Instruction-Hold-v0"}) {
    const auto batch = MakeBatch(id, {.size = 200, .seed = 5});
    const auto other = MakeBatch(id, {.size = 1});
    Buffers buffers(*batch);
    batch->Reset(buffers.observations.data());
    for (int row = 0; row < batch->size(); ++row) {
      // Loading checks all of them: items, free ways, gaps, words.
      ASSERT_EQ(ErrorOf([&] { other->LoadLevel(0, batch->LevelJson(row)); }), "") << id;
      ASSERT_EQ(other->LevelJson(0), batch->LevelJson(row));
    }
  }
}

TEST(Instruction, DrawsEveryCellKindTypeTargetGapAndFillerAlike) {
  constexpr int kRows = 2'000;
  const auto batch = MakeBatch("Instruction-v0", {.size = kRows, .seed = 3});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  std::map<std::string, std::map<std::string, int>> counts;
  for (int row = 0; row < kRows; ++row) {
    const Json level = Json::parse(batch->LevelJson(row));
    ++counts["first kind"][level["items"][0]["kind"].dump()];
    ++counts["pair kind"][level["items"][6]["kind"].dump()];
    ++counts["pair colour"][level["items"][7]["colour"].dump()];
    ++counts["type"][level["instructions"][3]["type"].dump()];
    ++counts["gap"][level["instructions"][0]["start"].dump()];
    const Json& instruction = level["instructions"][2];
    ++counts["target of " + instruction["type"].get<std::string>()][instruction["target"].dump()];
    const int word = level["words"][319].get<int>();  // behind all instructions, nearly always
    if (word > 20) ++counts["filler"][std::to_string(word)];
    counts["silence"]["a"] += word == 0;
  }
  const std::map<std::string, size_t> values = {{"first kind", 8},    {"pair kind", 8}, {"pair colour", 6},
                                                {"type", 2},          {"gap", 21},      {"target of act", 10},
                                                {"target of ask", 6}, {"filler", 8}};
  for (const auto& [what, number] : values) {
    EXPECT_EQ(counts[what].size(), number) << what;
    int draws = 0;
    for (const auto& [value, count] : counts[what]) draws += count;
    const double p = 1. / static_cast<double>(number);
    for (const auto& [value, count] : counts[what]) {
      EXPECT_NEAR(count, draws * p, 4.5 * draws * StandardError(p, draws)) << what << " " << value;
    }
  }
  EXPECT_NEAR(counts["silence"]["a"], kRows * 0.75, 4 * kRows * StandardError(0.75, kRows));
}

// Where the share of fillers is no power of two, too.
TEST(Instruction, DrawsFillersAlikeAtAnyNoise) {
  constexpr int kRows = 200;
  const auto batch = MakeBatch("Instruction-v0", {.size = kRows, .seed = 4}, {{"noise", 0.9}});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  std::map<int, int> counts;
  int draws = 0;
  for (int row = 0; row < kRows; ++row) {
    const Json level = Json::parse(batch->LevelJson(row));
    for (const Json& word : level["words"]) {
      if (word.get<int>() > 20) ++counts[word.get<int>()], ++draws;
    }
  }
  ASSERT_EQ(counts.size(), 8u);
  for (const auto& [word, count] : counts) EXPECT_NEAR(count, draws / 8., 4.5 * draws * StandardError(1. / 8, draws));
}

TEST(Instruction, NoiseAndSharesCanBeNoneOrAll) {
  const auto words_of = [](double noise) {
    const auto batch = MakeBatch("Instruction-v0", {.size = 1}, {{"noise", noise}, {"fillers", 64}, {"ask_share", 1}});
    Buffers buffers(*batch);
    batch->Reset(buffers.observations.data());
    const Json level = Json::parse(batch->LevelJson(0));
    for (const Json& instruction : level["instructions"]) EXPECT_EQ(instruction["type"], "ask");
    return level["words"].get<std::vector<int>>();
  };
  EXPECT_EQ(std::ranges::count_if(words_of(0), [](int word) { return word != 0; }), 40);
  EXPECT_EQ(std::ranges::count(words_of(1), 0), 0);
  EXPECT_GT(std::ranges::max(words_of(1)), 21 + 55);
  EXPECT_LT(std::ranges::max(words_of(1)), 21 + 64);
  EXPECT_EQ(std::ranges::count_if(words_of(1e-12), [](int word) { return word != 0; }), 40);
}

TEST(Instruction, TheCurriculumIsTheHold) {
  const auto batch = MakeBatch("Instruction-Hold-v0", {.size = 1});
  Buffers buffers(*batch);
  batch->SetCurriculum(3);
  batch->Reset(buffers.observations.data());
  batch->SetCurriculum(100);  // the episode keeps its hold
  const Json level = Json::parse(batch->LevelJson(0));
  EXPECT_EQ(level["params"]["hold"], 3);
  EXPECT_EQ(level["words"].size(), 10u * (20 + 4 + 3) + 80 + 1);
  const auto plain = MakeBatch("Instruction-v0", {.size = 1}, {{"hold", 3}});
  plain->LoadLevel(0, level.dump());
  while (!buffers.ended(0)) {
    uint8_t action = 0;
    batch->Oracle(buffers.actions.data());
    plain->Oracle(&action);
    ASSERT_EQ(buffers.actions[0], action);
    buffers.Step(*batch);
    Buffers other(*plain);
    other.actions[0] = action;
    other.Step(*plain);
    ASSERT_EQ(other.observations, buffers.observations);
  }
}

// --- A second reading of the rules, from the record and the actions alone: what is open, and where the agent is.

class Follower {
 public:
  struct Open {
    int index;
    bool is_ask;
    int target;
    int start;
  };

  explicit Follower(const Json& level) : level_(level), at_(level["agent"]) {
    hold_ = level["params"]["hold"].get<int>();
    queue_limit_ = level["params"]["queue_limit"].get<size_t>();
    size_ = level["params"]["floor_size"].get<int>();
  }

  const std::deque<Open>& open() const { return open_; }
  const std::vector<int>& at() const { return at_; }
  bool is_listening() const { return next_ < level_["instructions"].size() && time_ >= StartOf(next_); }

  // Index of the item that answers an instruction.
  int Wanted(const Open& open) const {
    const Json& items = level_["items"];
    if (!open.is_ask) return open.target;
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i]["kind"] == 5 && items[i]["colour"] == items[open.target]["colour"]) return static_cast<int>(i);
    }
    return -1;
  }

  // Returns the instruction that this step closed by an attempt, or -1; `reward` is 1 if it was right.
  Open Step(int action, float& reward) {
    Open closed{-1, false, 0, 0};
    reward = 0;
    if (!is_listening()) closed = Move(action, reward);
    if (is_listening() && time_ == LastListening(next_)) {
      if (open_.size() == queue_limit_) open_.pop_front();
      const Json& said = level_["instructions"][next_];
      open_.push_back({static_cast<int>(next_), said["type"] == "ask", said["target"], said["start"]});
      ++next_;
    }
    ++time_;
    return closed;
  }

 private:
  int StartOf(size_t i) const { return level_["instructions"][i]["start"]; }
  int LastListening(size_t i) const {
    return StartOf(i) + (level_["instructions"][i]["type"] == "ask" ? 4 : 3) - 1 + hold_;
  }

  Open Move(int action, float& reward) {
    constexpr int kRows[] = {-1, 0, 1, 0, 0}, kColumns[] = {0, 1, 0, -1, 0};
    const std::vector<int> to = {at_[0] + kRows[action], at_[1] + kColumns[action]};
    if (action == 4 || std::min(to[0], to[1]) < 1 || std::max(to[0], to[1]) > size_) return {-1, false, 0, 0};
    at_ = to;
    const Json& items = level_["items"];
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i]["at"] != Json(to)) continue;
      const bool is_pad = items[i]["kind"] == 5;
      const auto oldest = std::ranges::find(open_, is_pad, &Open::is_ask);
      if (oldest == open_.end()) break;
      const Open closed = *oldest;
      reward = Wanted(closed) == static_cast<int>(i);
      open_.erase(oldest);
      return closed;
    }
    return {-1, false, 0, 0};
  }

  Json level_;
  std::vector<int> at_;
  int hold_, size_;
  size_t queue_limit_, next_ = 0;
  int time_ = 0;
  std::deque<Open> open_;
};

TEST(Instruction, AgreesWithASecondReadingOfTheRules) {
  for (const char* id : {"Instruction-v0", "Instruction-Short-v0", "Instruction-Act-v0"}) {
    const auto batch = MakeBatch(id, {.size = 1, .seed = 21}, {{"gap_max", 6}, {"hold", 1}, {"queue_limit", 2}});
    const BatchPolicy random = RandomPolicy(4);
    Buffers buffers(*batch);
    for (int episode = 0; episode < 20; ++episode) {
      batch->Restart(0, buffers.observations.data());
      Follower follower(Json::parse(batch->LevelJson(0)));
      do {
        random(*batch, buffers);
        buffers.Step(*batch);
        float reward = 0;
        follower.Step(buffers.actions[0], reward);
        ASSERT_EQ(buffers.rewards[0], reward);
        const Picture picture = batch->MakePicture(0);
        ASSERT_EQ(follower.at(), (std::vector<int>{picture.agent_row, picture.agent_column}));
      } while (!buffers.ended(0));
      ASSERT_EQ(buffers.terminated[0], !buffers.truncated[0]);
    }
  }
}

// From first word to use: at least hold + 3 or 4 words, and the way.
TEST(Instruction, MemoryIsNeededForTheHoldAndTheWay) {
  for (const int hold : {0, 7}) {
    const auto batch = At({{"act", 0, 2}}, {{"hold", hold}});
    Buffers buffers(*batch);
    while (!buffers.ended(0)) {
      batch->Oracle(buffers.actions.data());
      buffers.Step(*batch);
    }
    EXPECT_EQ(buffers.rewards[0], 1);
    EXPECT_EQ(Metric(*batch, 0, "steps"), 2 + 3 + hold + 2);  // pause, words, hold, the two steps to the chair
  }
}

TEST(Instruction, StatedHorizonHoldsFromFirstWordToUse) {
  int longest = 0;
  double sum = 0, uses = 0;
  const auto batch = MakeBatch("Instruction-v0", {.size = 1, .seed = 8});
  Buffers buffers(*batch);
  for (int episode = 0; episode < 100; ++episode) {
    batch->Restart(0, buffers.observations.data());
    Follower follower(Json::parse(batch->LevelJson(0)));
    int time = 0;
    do {
      batch->Oracle(buffers.actions.data());
      buffers.Step(*batch);
      float reward = 0;
      const Follower::Open closed = follower.Step(buffers.actions[0], reward);
      if (closed.index >= 0) {
        longest = std::max(longest, time - closed.start);
        sum += time - closed.start;
        ++uses;
      }
      ++time;
    } while (!buffers.ended(0));
  }
  EXPECT_LE(longest, Find("Instruction-v0").horizon);
  EXPECT_NEAR(sum / uses, 11, 1);
}

// --- The oracle.

TEST(Instruction, TheOracleStaysWhileListeningOrIdle) {
  const auto batch = At({{"act", 0, 1}});
  uint8_t action = 0;
  for (int t = 0; t < 4; ++t) {
    batch->Oracle(&action);
    EXPECT_EQ(action, 4) << t;
    Play(*batch, "s");
  }
  batch->Oracle(&action);
  EXPECT_EQ(action, kRight);
}

TEST(Instruction, TheOracleGoesToTheNearerAndIfEqualToTheOlder) {
  // Chair and table are two steps away each.
  for (const int first : {0, 1}) {
    const auto batch = At({{"act", first, 0}, {"ask", 0, 3}});
    Play(*batch, "sssssss");
    uint8_t action = 0;
    batch->Oracle(&action);
    EXPECT_EQ(action, first == 0 ? kRight : kDown);  // the pad is four steps away
  }
  const auto tie = At({{"ask", 0, 0}, {"act", 0, 4}});
  Play(*tie, "sssssss");
  Play(*tie, "rd");  // at (2, 2): two to the chair (1, 3), two to the red pad (3, 3)
  uint8_t action = 0;
  tie->Oracle(&action);
  EXPECT_EQ(action, kRight);  // both begin so
  Play(*tie, "r");            // at (2, 3), between them: ASK was opened first
  tie->Oracle(&action);
  EXPECT_EQ(action, kDown);
}

TEST(Instruction, TheOracleStepsOutAndBackWhenItStandsOnTheTarget) {
  const auto batch = At({{"act", 0, 2}});
  Play(*batch, "rrsss");
  std::string moves;
  Buffers buffers(*batch);
  while (!buffers.ended(0)) {
    batch->Oracle(buffers.actions.data());
    moves += "urdls"[buffers.actions[0]];
    buffers.Step(*batch);
  }
  EXPECT_EQ(moves, "rl");
  EXPECT_EQ(buffers.rewards[0], 1);
}

// --- The scout.

TEST(Instruction, TheScoutGoesWhereItHasSeenTheThingAndElseLooksForIt) {
  const auto batch = At({{"ask", 0, 0}});
  uint8_t action = 0;
  for (int t = 0; t < 4; ++t) {
    batch->Scout(&action);
    EXPECT_EQ(action, 4) << t;
    Play(*batch, "s");
  }
  std::string moves;
  Buffers buffers(*batch);
  while (!buffers.ended(0)) {
    batch->Scout(buffers.actions.data());
    moves += "urdls"[buffers.actions[0]];
    buffers.Step(*batch);
  }
  // A step to the right shows the chair in (1, 3), one down from there the red pad in (3, 3).
  EXPECT_EQ(moves, "rdrd");
  EXPECT_EQ(buffers.rewards[0], 1);
}

// Every action that it holds as good begins a way as short. In rooms that are in view from the start, as otherwise one
// way may show a shorter one.
TEST(Instruction, TheScoutsTiesAreAsShort) {
  const Changes changes = {{"instructions", 1}, {"gap_max", 0}, {"view", 15}, {"floor_size", 6}, {"colors", 3}};
  const auto batch = MakeBatch("Instruction-v0", {.size = 1, .seed = 3}, changes);
  const auto copy = MakeBatch("Instruction-v0", {.size = 1}, changes);
  // Until the end, by the scout itself.
  const auto steps_left = [&](const std::vector<std::byte>& state, uint8_t first) {
    copy->Restore(state);
    Buffers buffers(*copy);
    buffers.actions[0] = first;
    int steps = 1;
    for (buffers.Step(*copy); !buffers.ended(0); ++steps) {
      copy->Scout(buffers.actions.data());
      buffers.Step(*copy);
    }
    return buffers.rewards[0] == 1 ? steps : 1'000;  // else it stepped onto another thing
  };
  int several = 0, longer = 0;
  for (int episode = 0; episode < 100; ++episode) {
    Buffers buffers(*batch);
    batch->Restart(0, buffers.observations.data());
    uint8_t ties = 0;
    for (batch->Scout(buffers.actions.data(), &ties); buffers.actions[0] == 4;) {
      ASSERT_EQ(ties, 1 << 4) << "while it listens";
      buffers.Step(*batch);
      batch->Scout(buffers.actions.data(), &ties);
    }
    const auto state = batch->Save();
    const int shortest = steps_left(state, buffers.actions[0]);
    several += std::popcount(ties) > 1;
    for (uint8_t action = 0; action < 4; ++action) {
      if (action == buffers.actions[0]) continue;
      const int steps = steps_left(state, action);
      const bool is_tie = (ties >> action & 1) != 0;
      const bool is_floor =
          KindInView(buffers.observations.data(), 15, kRowStep[action], kColumnStep[action]) == kFloor;
      if (is_tie || is_floor) {  // it walks over no other thing
        EXPECT_EQ(is_tie, steps == shortest) << "episode " << episode << ", action " << int{action};
      }
      longer += steps > shortest;
    }
  }
  EXPECT_GT(several, 20);
  EXPECT_GT(longer, 100);
}

// Kind, colour, rows and columns away, of the thing to step onto and of the one that is asked for.
TEST(Instruction, TheScoutExplainsWhatIsDueAndWhereItKnowsThatToBe) {
  using Tokens = std::vector<int>;
  const auto batch = At({{"act", 1, 0}, {"ask", 0, 5}});
  uint8_t action = 0;
  const auto explain = [&](const std::string& moves) {
    Play(*batch, moves);
    batch->Scout(&action);
    std::vector<uint8_t> tokens(8);
    batch->Explain(tokens.data());
    return Tokens(tokens.begin(), tokens.end());
  };
  EXPECT_EQ(explain(""), (Tokens{0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(explain("ss"), (Tokens{0, 0, 0, 0, 0, 0, 0, 0})) << "not open yet";
  EXPECT_EQ(explain("s"), (Tokens{7, 2, 0, 0, 0, 0, 0, 0})) << "a blue table, not seen";
  EXPECT_EQ(explain("d"), (Tokens{7, 2, 9, 8, 0, 0, 0, 0})) << "a row below";
  EXPECT_EQ(explain("u"), (Tokens{7, 2, 10, 8, 0, 0, 0, 0})) << "out of sight";
  EXPECT_EQ(explain("ssss"), (Tokens{7, 2, 10, 8, 6, 0, 0, 0})) << "the colour of a chair, not seen";
  EXPECT_EQ(explain("r"), (Tokens{7, 2, 10, 7, 6, 1, 0, 0})) << "it is red, no red pad was seen";
  EXPECT_EQ(explain("d"), (Tokens{7, 2, 9, 7, 6, 1, 9, 9})) << "the red pad";
  EXPECT_EQ(explain("dl"), (Tokens{0, 0, 0, 0, 6, 1, 8, 10})) << "on the table";
}

// Of rooms and sentences that differ in what has not been observed yet, until it is.
TEST(Instruction, TheScoutActsAlikeWhereObservationsWereAlike) {
  const auto batch = MakeBatch("Instruction-v0", {.size = 1, .seed = 6}), other = MakeBatch("Instruction-v0", {});
  Stream random(1, Purpose::kTrain, 0, 0);
  std::vector<uint8_t> said(batch->spec().explanation.size()), others_said(said.size());
  int moves = 0;
  for (int episode = 0; episode < 300; ++episode) {
    Buffers buffers(*batch), others(*other);
    batch->Restart(0, buffers.observations.data());
    const Json level = Json::parse(batch->LevelJson(0));
    Json changed = level;
    Json& items = changed["items"];
    Json& at = items[random.Below(16)]["at"];
    if (episode % 3 == 0) at = {1 + random.Below(8), 1 + random.Below(8)};
    if (episode % 3 == 1) std::swap(at, items[random.Below(16)]["at"]);
    if (episode % 3 == 2) {
      Json& last = changed["instructions"][9];
      last["target"] = random.Below(6);
      const Json& item = items[last["target"].get<size_t>()];
      Json& words = changed["words"];
      const bool is_ask = last["type"] == "ask";
      const size_t end = last["start"].get<size_t>() + (is_ask ? 3 : 2);
      words[end] = item["kind"].get<int>() + 7;
      if (!is_ask) words[end - 1] = item["colour"].get<int>() + 4;
    }
    if (changed == level || !ErrorOf([&] { other->LoadLevel(0, changed.dump()); }).empty()) continue;
    other->Observe(others.observations.data());
    while (buffers.observations == others.observations && !buffers.ended(0)) {
      batch->Scout(buffers.actions.data());
      other->Scout(others.actions.data());
      ASSERT_EQ(buffers.actions, others.actions) << "episode " << episode;
      batch->Explain(said.data());
      other->Explain(others_said.data());
      ASSERT_EQ(said, others_said) << "episode " << episode;
      moves += buffers.actions[0] != 4;
      buffers.Step(*batch);
      others.Step(*other);
    }
  }
  EXPECT_GT(moves, 2'000);
}

TEST(Instruction, TheScoutsNotesAreSavedAndEndWithTheEpisode) {
  auto batch = MakeBatch("Instruction-Short-v0", {.size = 4, .seed = 9}, {{"max_steps", 60}});
  auto other = MakeBatch("Instruction-Short-v0", {.size = 4}, {{"max_steps", 60}});
  const auto alone = MakeBatch("Instruction-Short-v0", {.size = 4, .seed = 9}, {{"max_steps", 60}});
  Buffers buffers(*batch), expected(*alone);
  batch->Reset(buffers.observations.data());
  alone->Reset(expected.observations.data());
  const auto unasked = batch->Save();
  for (int t = 0; t < 200; ++t) {
    batch->Scout(buffers.actions.data());
    alone->Scout(expected.actions.data());
    ASSERT_EQ(buffers.actions, expected.actions) << t;
    other->Restore(batch->Save());
    batch.swap(other);
    buffers.Step(*batch);
    expected.Step(*alone);
    ASSERT_EQ(buffers, expected) << t;
  }
  EXPECT_GT(batch->Save().size(), unasked.size());
  batch->Restore(unasked);
  EXPECT_EQ(batch->Save(), unasked) << "who is not asked has no notes";
}

// Without privileged knowledge: what docs/envs/instruction.md states.
TEST(Instruction, TheScoutScoresWhatIsStated) {
  const auto score = [](const char* id) {
    const auto batch = MakeBatch(id, {.size = 500, .seed = 21});
    return MeanMetric(
        *batch, [&](const EnvBatch&, Buffers& buffers) { batch->Scout(buffers.actions.data()); }, 1, "success");
  };
  EXPECT_NEAR(score("Instruction-Short-v0"), 0.997, 0.004);
  EXPECT_NEAR(score("Instruction-v0"), 0.98, 0.01);
}

// --- Stated scores.

// Plays every row by a policy that sees the followers; gives the mean share done and its standard error.
template <class Act>
std::pair<double, double> ScoreOf(const std::string& id, int episodes, const Act& act) {
  const auto batch = MakeBatch(id, {.size = 1, .seed = 14});
  Buffers buffers(*batch);
  double sum = 0, squares = 0;
  for (int episode = 0; episode < episodes; ++episode) {
    batch->Restart(0, buffers.observations.data());
    const Json level = Json::parse(batch->LevelJson(0));
    Follower follower(level);
    do {
      buffers.actions[0] = act(level, follower);
      float reward = 0;
      follower.Step(buffers.actions[0], reward);
      buffers.Step(*batch);
    } while (!buffers.ended(0));
    sum += Metric(*batch, 0, "success");
    squares += Metric(*batch, 0, "success") * Metric(*batch, 0, "success");
  }
  const double mean = sum / episodes;
  return {mean, std::sqrt((squares / episodes - mean * mean) / episodes)};
}

// Knows the room and which kinds of instruction are open, and goes straight to random items of such a kind.
class Deaf {
 public:
  uint8_t operator()(const Json& level, const Follower& follower) {
    const bool wants_act = std::ranges::find(follower.open(), false, &Follower::Open::is_ask) != follower.open().end();
    const bool wants_ask = std::ranges::find(follower.open(), true, &Follower::Open::is_ask) != follower.open().end();
    const Json& items = level["items"];
    const auto is_wanted = [&](size_t i) { return items[i]["kind"] == 5 ? wants_ask : wants_act; };
    if (!wants_act && !wants_ask) return 4;
    if (goal_ >= items.size() || !is_wanted(goal_) || items[goal_]["at"] == Json(follower.at())) {
      do {
        goal_ = random_.Below(static_cast<uint32_t>(items.size()));
      } while (!is_wanted(goal_) || items[goal_]["at"] == Json(follower.at()));
    }
    const std::vector<int> to = items[goal_]["at"];
    const int down = to[0] - follower.at()[0], right = to[1] - follower.at()[1];
    if (down != 0 && (right == 0 || random_.Below(2) == 0)) return down > 0 ? kDown : kUp;
    return right > 0 ? kRight : kLeft;
  }

 private:
  Stream random_{15, Purpose::kTrain, 0, 0};
  size_t goal_ = SIZE_MAX;
};

TEST(Instruction, TheDeafReachTheMemorylessBound) {
  for (const char* id : {"Instruction-v0", "Instruction-Short-v0"}) {
    Deaf deaf;
    const auto [score, error] = ScoreOf(id, 400, [&](const Json& level, const Follower& f) { return deaf(level, f); });
    EXPECT_NEAR(score, Find(id).scores.memoryless, 4 * error + 0.005) << id;
    EXPECT_LT(score, Find(id).scores.memoryless + 4 * error) << id;
  }
}

TEST(Instruction, BoundsAreThoseOfTheFormula) {
  const auto bound = [](double ask_share, int objects, int pads) {
    return (1 - ask_share) / objects + ask_share / pads;
  };
  EXPECT_DOUBLE_EQ(Find("Instruction-v0").scores.memoryless, bound(0.5, 10, 6));
  EXPECT_DOUBLE_EQ(Find("Instruction-Act-v0").scores.memoryless, bound(0, 10, 6));
  EXPECT_DOUBLE_EQ(Find("Instruction-Ask-v0").scores.memoryless, bound(1, 10, 6));
  EXPECT_DOUBLE_EQ(Find("Instruction-Short-v0").scores.memoryless, bound(0.5, 5, 3));
  EXPECT_DOUBLE_EQ(Find("Instruction-Hold-v0").scores.memoryless, bound(0.5, 10, 6));
  EXPECT_DOUBLE_EQ(Find("Instruction-Large-v0").scores.memoryless, bound(0.5, 10, 6));
}

// --- Bad input.

TEST(Instruction, BadParametersAreRefused) {
  const auto error_with = [](const Changes& changes) {
    return ErrorOf([&] { MakeBatch("Instruction-v0", {.size = 1}, changes); });
  };
  EXPECT_THAT(error_with({{"floor_size", 3}}), HasSubstr("floor_size is 3; allowed: 4..32"));
  EXPECT_THAT(error_with({{"floor_size", 33}}), HasSubstr("floor_size is 33"));
  EXPECT_THAT(error_with({{"colors", 1}}), HasSubstr("colors is 1; allowed: 2..8"));
  EXPECT_THAT(error_with({{"pairs", -1}}), HasSubstr("pairs is -1"));
  EXPECT_THAT(error_with({{"pairs", 3}}), HasSubstr("pairs is 3; allowed with 6 colors: <= 2"));
  EXPECT_THAT(error_with({{"floor_size", 6}}), HasSubstr("pairs is 2; allowed with 6 colors and floor_size 6: <= 0"));
  EXPECT_EQ(error_with({{"floor_size", 7}}), "");
  EXPECT_THAT(error_with({{"instructions", 0}}), HasSubstr("instructions is 0; allowed: 1..1000"));
  EXPECT_THAT(error_with({{"ask_share", 1.5}}), HasSubstr("ask_share is 1.5; allowed: 0..1"));
  EXPECT_THAT(error_with({{"gap_min", 21}}), HasSubstr("gap_min is 21; allowed with gap_max 20: <= 20"));
  EXPECT_THAT(error_with({{"gap_max", 100'001}}), HasSubstr("gap_max is 100001"));
  EXPECT_THAT(error_with({{"hold", -1}}), HasSubstr("hold is -1; allowed: 0..100000"));
  EXPECT_THAT(error_with({{"queue_limit", 65}}), HasSubstr("queue_limit is 65; allowed: 1..64"));
  EXPECT_THAT(error_with({{"noise", -0.1}}), HasSubstr("noise is -0.1"));
  EXPECT_THAT(error_with({{"fillers", 65}}), HasSubstr("fillers is 65; allowed: 1..64"));
}

TEST(Instruction, ExtremesWork) {
  const Changes largest = {{"floor_size", 32},    {"view", 15},     {"colors", 8},       {"pairs", 0},
                           {"instructions", 100}, {"gap_max", 100}, {"queue_limit", 64}, {"fillers", 64}};
  EXPECT_GT(MeanMetric(*MakeBatch("Instruction-v0", {.size = 2}, largest), OraclePolicy(), 1, "success"), 0.9);
  const Changes smallest = {{"floor_size", 4}, {"colors", 2}, {"pairs", 0}, {"instructions", 1}, {"queue_limit", 1}};
  EXPECT_GT(MeanMetric(*MakeBatch("Instruction-v0", {.size = 200}, smallest), OraclePolicy(), 1, "success"), 0.99);
}

TEST(Instruction, BadLevelsAreRefusedAndChangeNothing) {
  const auto batch = MakeBatch("Instruction-v0", {.size = 1, .seed = 2});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  const auto saved = batch->Save();
  const Json level = Json::parse(batch->LevelJson(0));
  const auto error_with = [&](const std::string& pointer, const Json& value) {
    Json changed = level;
    changed[Json::json_pointer(pointer)] = value;
    return ErrorOf([&] { batch->LoadLevel(0, changed.dump()); });
  };
  EXPECT_THAT(error_with("/agent", {0, 1}), HasSubstr("agent[0] is 0; allowed: integers 1..8"));
  EXPECT_THAT(error_with("/agent", {1}), HasSubstr("agent is no list of 2"));
  EXPECT_THAT(error_with("/agent", level["items"][3]["at"]), HasSubstr("allowed: a cell without item"));
  EXPECT_THAT(error_with("/items", Items()), HasSubstr("items is no list of 16"));
  EXPECT_THAT(error_with("/items/2/kind", 5), HasSubstr("items[2].kind is 5; allowed: integers 6..13"));
  EXPECT_THAT(error_with("/items/10/kind", 6), HasSubstr("items[10].kind is 6; allowed: integers 5..5"));
  EXPECT_THAT(error_with("/items/2/kind", level["items"][1]["kind"]), HasSubstr("allowed: a kind not yet used"));
  EXPECT_THAT(error_with("/items/2/colour", 4), HasSubstr("allowed: colours in order"));
  EXPECT_THAT(error_with("/items/12/colour", 4), HasSubstr("allowed: colours in order"));
  EXPECT_THAT(error_with("/items/2/colour", 7), HasSubstr("items[2].colour is 7; allowed: integers 1..6"));
  EXPECT_THAT(error_with("/items/7/kind", level["items"][0]["kind"]), HasSubstr("the kind of the item before it"));
  EXPECT_THAT(error_with("/items/7/colour", level["items"][6]["colour"]), HasSubstr("another colour"));
  EXPECT_THAT(error_with("/items/7/at", level["items"][6]["at"]), HasSubstr("a cell of its own"));
  EXPECT_THAT(error_with("/instructions", Json::array()), HasSubstr("instructions is no list of 10"));
  EXPECT_THAT(error_with("/instructions/4/type", "say"), HasSubstr("instructions[4].type is \"say\""));
  EXPECT_THAT(error_with("/instructions/4/target", 10), HasSubstr("instructions[4].target is 10; allowed: integers"));
  EXPECT_THAT(error_with("/instructions/0/start", 21),
              HasSubstr("instructions[0].start is 21; allowed: integers 0..20"));
  EXPECT_THAT(error_with("/instructions/1/start", 0), HasSubstr("instructions[1].start is 0"));
  EXPECT_THAT(error_with("/words", {1, 2}), HasSubstr("words is no list of 321"));
  EXPECT_THAT(error_with("/words/7", 29), HasSubstr("words[7] is 29; allowed: integers 0..28"));
  EXPECT_THAT(error_with("/params/hold", 100), HasSubstr("hold is 100; this batch has room for 0"));
  EXPECT_EQ(batch->Save(), saved);
}

TEST(Instruction, ItemsInEachOthersWayAreRefused) {
  const auto batch = At({{"act", 0, 0}});
  const auto error_with = [&](const std::vector<std::vector<int>>& places) {
    Json level = Json::parse(batch->LevelJson(0));
    level["agent"] = {2, 3};
    for (int i = 0; i < 4; ++i) level["items"][i]["at"] = places[i];
    return ErrorOf([&] { batch->LoadLevel(0, level.dump()); });
  };
  EXPECT_EQ(error_with({{1, 2}, {2, 2}, {4, 4}, {4, 1}}), "");
  EXPECT_THAT(error_with({{1, 2}, {2, 1}, {4, 4}, {4, 1}}),
              HasSubstr("items are in each other's way"));  // cuts a corner off
  EXPECT_THAT(error_with({{1, 1}, {1, 2}, {2, 1}, {4, 4}}),
              HasSubstr("items are in each other's way"));  // the first one
  EXPECT_THAT(error_with({{1, 3}, {2, 4}, {3, 4}, {4, 3}}), HasSubstr("items are in each other's way"));
}

}  // namespace
}  // namespace lethe::envs
