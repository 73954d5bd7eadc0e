// `lethe train-sequence`, and what other commands make of its runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "agents/sequence_options.h"
#include "configs/run_folder.h"
#include "tests/agents/tiny_sequence.h"
#include "tests/tools/program.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;
using configs::RunFolder;
using testing::HasSubstr;
using tests::RunLethe;
using tests::TemporaryFolder;
using Json = nlohmann::ordered_json;

const std::vector<std::string> kTasks = {"copy", "collision", "text"};

/// Words of a run of a second: a file of options, and a text where the task needs one.
std::vector<std::string> Train(const TemporaryFolder& folder, const std::string& task,
                               const std::vector<std::string>& more = {}) {
  std::ofstream config(folder / "config.yaml");
  config << "memory:\n  dim: 16\n  heads: 2\n  ffn: 32\n  span_limit: 64\n  ramp: 8\n  dropout: 0.1\n"
            "train:\n  batch: 4\n  block: 24\n  max_updates: 60\n  span_weight: 1e-4\n"
            "  dtype: "
         << (task == "text" ? "bfloat16" : "float32")
         << "\nevaluate:\n  interval_updates: 30\n"
            "log:\n  interval_updates: 10\n  checkpoint_interval_updates: 7\n"
            "task:\n";
  if (task == "copy")
    config << "  id: Copy-v0\n  distance: 30\n  count_max: 4\n  valid_samples: 9\n  test_samples: 9\n"
              "curriculum:\n  start: 8\n  threshold: 0.2\n  episodes: 20\n";
  if (task == "collision")
    config << "  id: ObjectCollision-v0\n  train_frames: 3000\n  valid_frames: 200\n  test_frames: 4000\n";
  if (task == "text") config << "  id: CharLM-v0\n  path: " << agents::WriteText(folder / "text.txt") << "\n";
  std::vector<std::string> words = {"train-sequence", "config.yaml", "--run-dir", "run"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<Json> Lines(const std::string& path) {
  std::vector<Json> lines;
  std::istringstream text(configs::ReadWholeFile(path));
  for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
  return lines;
}

std::string ScoreOf(const std::string& task) {
  return task == "copy" ? "sequence_accuracy" : task == "collision" ? "error" : "bits_per_byte";
}

class TrainSequence : public testing::TestWithParam<std::string> {
 protected:
  const TemporaryFolder folder_;
};

TEST_P(TrainSequence, WritesARun) {
  const auto ended = RunLethe(folder_.path(), Train(folder_, GetParam()));
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  for (const char* name : {"config.yaml", "metrics.jsonl", "live.safetensors", "report/evaluation.json"})
    EXPECT_TRUE(fs::is_regular_file(folder_ / ("run/" + std::string(name)))) << name;
  EXPECT_EQ(RunFolder::Open(folder_ / "run").Checkpoints().size(), 3u) << "log.keep_checkpoints";
  const auto lines = Lines(folder_ / "run/metrics.jsonl");
  ASSERT_EQ(lines.size(), 6u);
  for (const Json& line : lines) {
    for (const char* key : {"updates", "tokens", "seconds", "chars_per_s", "chars_per_cpu_s", "loss", "living_memories",
                            "living_memories_max", "resident_memories", "memory_bytes", "saved_bytes", "span_mean",
                            "paper_memory_size", "curriculum", "grad_norm", "learning_rate", "span_weight", "gflops"})
      EXPECT_TRUE(line.contains(key)) << key;
    EXPECT_TRUE(line.contains(ScoreOf(GetParam())));
    EXPECT_EQ(line.contains("valid_" + ScoreOf(GetParam())), line["updates"].get<int>() % 30 == 0);
    EXPECT_EQ(line["living_memories"].size(), 2u);
  }
  EXPECT_EQ(lines.back()["tokens"], 60 * 4 * 24);
  EXPECT_EQ(lines[0]["curriculum"].is_null(), GetParam() != "copy");
  const Json report = Json::parse(configs::ReadWholeFile(folder_ / "run/report/evaluation.json"));
  EXPECT_EQ(report["split"], "test");
  EXPECT_TRUE(report[ScoreOf(GetParam())].is_number());
  for (const char* part :
       {"trained on 5,760 tokens", "eval run", "train-sequence --resume --run-dir run train.max_updates=N"})
    EXPECT_THAT(ended.out, HasSubstr(part));
}

TEST_P(TrainSequence, EvalReadsASplit) {
  ASSERT_EQ(RunLethe(folder_.path(), Train(folder_, GetParam())).exit_code, 0);
  const auto test = RunLethe(folder_.path(), {"eval", "run", "--json"});
  ASSERT_EQ(test.exit_code, 0) << test.err;
  Json json = Json::parse(test.out),
       report = Json::parse(configs::ReadWholeFile(folder_ / "run/report/evaluation.json"));
  json.erase("tokens_per_s"), report.erase("tokens_per_s");
  EXPECT_EQ(json, report);
  const auto valid = RunLethe(folder_.path(), {"eval", "run", "--split", "valid"});
  EXPECT_THAT(valid.out, HasSubstr("(valid split, "));
  const auto last = Lines(folder_ / "run/metrics.jsonl").back();
  EXPECT_THAT(valid.out, HasSubstr(fmt::format("{:.4f}", last["valid_" + ScoreOf(GetParam())].get<double>())));
  const auto wrong = RunLethe(folder_.path(), {"eval", "run", "--split", "train"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--split is train; allowed: valid or test"));
  EXPECT_THAT(RunLethe(folder_.path(), {"eval", "run", "--greedy"}).err, HasSubstr("--greedy is for agents"));
}

INSTANTIATE_TEST_SUITE_P(Every, TrainSequence, testing::ValuesIn(kTasks));

configs::SafetensorsFile Newest(const std::string& run_dir) {
  return RunFolder::Open(run_dir).NewestGoodCheckpoint([](const std::string& warning) { ADD_FAILURE() << warning; });
}

/// Everything that decides how a training would go on, as bytes: all but the wall time.
void ExpectSameState(const configs::SafetensorsFile& a, const configs::SafetensorsFile& b) {
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (const auto& tensor : a.tensors())
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, b.Find(tensor.name).bytes)) << tensor.name << " differs";
  for (const auto& [key, value] : a.metadata()) {
    if (key == "seconds") continue;
    EXPECT_EQ(value, b.metadata().at(key)) << key;
  }
}

bool HasCheckpoint(const std::string& dir) {
  std::error_code not_yet;
  for (const auto& entry : fs::directory_iterator(dir, not_yet))
    if (entry.path().extension() == ".safetensors") return true;
  return false;
}

class CrashSequence : public TrainSequence {};

TEST_P(CrashSequence, KilledOrStoppedAndResumedItEndsWithTheSameWeights) {
  const std::vector<std::string> longer = {"train.max_updates=200", "--quiet"};
  const TemporaryFolder whole;
  ASSERT_EQ(RunLethe(whole.path(), Train(whole, GetParam(), longer)).exit_code, 0);
  int interrupted = 0;  // on a busy machine a run may end before its signal comes
  for (const int signal : {SIGKILL, SIGTERM, SIGKILL}) {
    const TemporaryFolder folder;
    {
      tests::Program program(folder.path(), Train(folder, GetParam(), longer));
      tests::WaitUntil(program, [&] { return HasCheckpoint(folder / "run/checkpoints"); });
      program.Send(signal);
      const auto ended = program.Wait();
      interrupted += ended.exit_code != 0;
      if (signal == SIGTERM && ended.exit_code != 0) {
        EXPECT_EQ(ended.exit_code, 128 + SIGTERM);
        EXPECT_THAT(ended.out, HasSubstr("stopped by SIGTERM after "));
      }
    }
    const auto resumed = RunLethe(folder.path(), {"train-sequence", "--resume", "--run-dir", "run", "--quiet"});
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    ExpectSameState(Newest(whole / "run"), Newest(folder / "run"));
    const auto lines = Lines(folder / "run/metrics.jsonl");
    EXPECT_EQ(lines.back()["updates"], 200);
    EXPECT_TRUE(std::is_sorted(lines.begin(), lines.end(),
                               [](const Json& a, const Json& b) { return a["updates"] < b["updates"]; }));
  }
  EXPECT_GE(interrupted, 1);
}

INSTANTIATE_TEST_SUITE_P(Every, CrashSequence, testing::ValuesIn(kTasks));

TEST(TrainSequenceCommand, AFinishedRunIsMadeLongerAndLendsItsWeights) {
  const TemporaryFolder folder;
  ASSERT_EQ(RunLethe(folder.path(), Train(folder, "copy")).exit_code, 0);
  const auto nothing = RunLethe(folder.path(), {"train-sequence", "--resume", "--run-dir", "run"});
  EXPECT_THAT(nothing.out, HasSubstr("nothing left to train: train.max_updates=N"));
  const auto longer =
      RunLethe(folder.path(), {"train-sequence", "--resume", "--run-dir", "run", "train.max_updates=70"});
  EXPECT_THAT(longer.out, HasSubstr("trained on 960 tokens"));
  const auto lent =
      RunLethe(folder.path(), {"train-sequence", "config.yaml", "--init-from", "run", "--run-dir", "lent"});
  EXPECT_EQ(lent.exit_code, 0) << lent.err;
  const auto fixed = RunLethe(folder.path(), {"train-sequence", "--resume", "--run-dir", "run", "train.batch=8"});
  EXPECT_EQ(fixed.exit_code, 2);
  EXPECT_THAT(fixed.err, HasSubstr("key `train.batch` cannot change while a run goes on"));
}

TEST(TrainSequenceCommand, StopsAfterMinutes) {
  const TemporaryFolder folder;
  const auto ended =
      RunLethe(folder.path(), Train(folder, "copy", {"train.max_updates=1e9", "train.max_minutes=0.01"}));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("stopped after train.max_minutes = 0.01: "));
}

TEST(TrainSequenceCommand, AnotherCoreLeavesOutTheFilesOptionsOfItsOwn) {
  const TemporaryFolder folder;
  const auto ended = RunLethe(folder.path(), Train(folder, "copy", {"memory.core=gru", "train.span_weight=0"}));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.err,
            "memory.core=gru: options of the file that gru does not have are left out: memory.heads, memory.ffn, "
            "memory.span_limit, memory.ramp\n");
  const auto strict = RunLethe(folder.path(), {"train-sequence", "config.yaml", "--run-dir", "strict",
                                               "memory.core=gru", "train.span_weight=0", "memory.ramp=8"});
  EXPECT_EQ(strict.exit_code, 2);
  EXPECT_THAT(strict.err, HasSubstr("command line: memory.ramp=8"));
}

struct WrongSequence {
  std::string name;
  std::vector<std::string> overrides;
  std::string message;
};

std::ostream& operator<<(std::ostream& out, const WrongSequence& input) { return out << input.name; }

class WrongSequenceTest : public testing::TestWithParam<WrongSequence> {};

TEST_P(WrongSequenceTest, IsRefusedInOneLine) {
  const TemporaryFolder folder;
  std::ofstream(folder / "empty.txt");
  std::ofstream(folder / "short.txt") << "too short for two bytes of valid";
  std::ofstream(folder / "small.txt") << std::string(60, 'x');
  const auto ended = RunLethe(folder.path(), Train(folder, "text", GetParam().overrides));
  EXPECT_EQ(ended.exit_code, 2) << ended.err;
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.err, testing::StartsWith("lethe: "));
  EXPECT_THAT(ended.err, HasSubstr(GetParam().message));
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  EXPECT_FALSE(fs::exists(folder / "run")) << "nothing may be left behind";
}

const std::vector<WrongSequence> kWrong = {
    {"NoFile", {"task.path=none.txt"}, "none.txt does not exist; needed: a file to read"},
    {"Folder", {"task.path=."}, ". is not a file"},
    {"Empty", {"task.path=empty.txt"}, "empty.txt is empty"},
    {"ShorterThanTwoBytesASplit", {"task.path=short.txt", "train.block=2"}, "which leaves 1 for valid; needed: 2"},
    {"ShorterThanABlock", {"task.path=small.txt"}, "each of 4 rows 13 inputs; needed: 24, a block"},
    {"Task", {"task.id=CharLN-v0"}, "did you mean `CharLM-v0`?"},
    {"OptionOfAnotherTask", {"task.distance=3"}, "key `task.distance`"},
    {"Core", {"memory.core=expire_spam"}, "expire_span"},
    {"Rows", {"train.batch=0"}, "key `train.batch`: got 0, allowed integer, 1..65536"},
    {"Block", {"train.block=0"}, "key `train.block`: got 0, allowed integer, 1..65536"},
    {"Ramp", {"memory.ramp=0"}, "memory.ramp"},
    {"SpanLimit", {"memory.span_limit=0"}, "memory.span_limit"},
    {"Schedule", {"optimizer.schedule=cosin"}, "allowed constant, linear or cosine"},
    {"Agent", {"env.id=Corridor-v0"}, "`lethe train` runs it"},
};

INSTANTIATE_TEST_SUITE_P(Every, WrongSequenceTest, testing::ValuesIn(kWrong),
                         [](const auto& input) { return input.param.name; });

TEST(TrainSequenceCommand, TrainPointsToIt) {
  const TemporaryFolder folder;
  Train(folder, "copy");
  const auto ended = RunLethe(folder.path(), {"train", "config.yaml"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr("this config describes a sequence task: `lethe train-sequence` runs it"));
}

TEST(TrainSequenceCommand, CommittedConfigsCanBeRead) {
  int files = 0;
  for (const auto& file : fs::directory_iterator(LETHE_SOURCE_DIR "/configs/sequence")) {
    auto document = configs::Document::FromFile(file.path());
    const auto options = agents::ReadSequenceOptions(document);
    EXPECT_EQ(
        file.path().filename().string().starts_with("charlm") || file.path().filename().string().starts_with("enwik8"),
        options->task.id == "CharLM-v0");
    EXPECT_NO_THROW(options->memory.options->Ramp());
    ++files;
  }
  EXPECT_EQ(files, 13);
}

TEST(TrainSequenceCommand, HelpListsTheOptionsOfATask) {
  const auto help = RunLethe(".", {"help", "options", "CharLM-v0"});
  EXPECT_THAT(help.out, testing::StartsWith("Predict the next byte of a file."));
  for (const char* option : {"task.path", "memory.core", "train.block", "evaluate.valid_blocks"})
    EXPECT_THAT(help.out, HasSubstr(std::string("\n") + option + " "));
}

}  // namespace
}  // namespace lethe
