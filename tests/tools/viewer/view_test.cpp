// `lethe view` without a display: pictures, saved episodes, what it plays, and what it refuses.
#include <gif_lib.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "agents/episode_file.h"
#include "tests/agents/tiny_sequence.h"
#include "tests/tools/viewer/twin.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;
using agents::Chooser;
using testing::HasSubstr;
using tests::Image;
using tests::ReadPng;
using tests::Same;
using tests::TemporaryFolder;
using tests::TwinOfEnv;
using tests::TwinOfRun;
using tests::View;
using tests::WithoutStatus;

constexpr int kWidth = 640, kHeight = 400;
constexpr int64_t kRest = 8;  // pictures of the end, at 8 a second

/// A folder with a run in it.
class ViewCommand : public testing::Test {
 protected:
  ViewCommand() { tests::WriteTinyRun(run_); }

  /// `lethe view words --record path --size 640x400`; returns its out.
  std::string Record(const std::string& path, const std::vector<std::string>& words) const {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--record", path, "--size", "640x400"});
    return Quietly(all);
  }
  std::string Quietly(const std::vector<std::string>& words) const {
    const auto ended = View(folder_.path(), words);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_EQ(ended.err, "");
    return ended.out;
  }
  /// The picture that these words record.
  Image PictureOf(const std::vector<std::string>& words) const {
    EXPECT_EQ(Record("picture.png", words), "1 picture in picture.png\n");
    return ReadPng(folder_ / "picture.png");
  }

  static void ExpectShows(const Image& image, tests::Twin twin, int64_t steps = 1'000'000) {
    while (twin.session.step() < steps && twin.session.PlayStep()) {
    }
    EXPECT_TRUE(Same(WithoutStatus(image), WithoutStatus(twin.Draw())));
  }

  const TemporaryFolder folder_;
  const std::string run_ = folder_ / "run";
};

TEST_F(ViewCommand, RecordsTheLastStepOrAGivenOne) {
  ExpectShows(PictureOf({run_}), TwinOfRun(run_, kWidth, kHeight));
  ExpectShows(PictureOf({run_, "--step", "3"}), TwinOfRun(run_, kWidth, kHeight), 3);
}

TEST_F(ViewCommand, RecordsEveryStepAsNumberedPictures) {
  EXPECT_EQ(Record("step_%03d.png", {run_, "--step", "3"}), "12 pictures in step_%03d.png\n");
  EXPECT_EQ(folder_.NumEntries(), 13u);
  for (int64_t picture = 0; picture < 4 + kRest; ++picture) {
    char name[16];
    std::snprintf(name, sizeof name, "step_%03d.png", static_cast<int>(picture));
    ExpectShows(ReadPng(folder_ / name), TwinOfRun(run_, kWidth, kHeight), std::min<int64_t>(picture, 3));
  }
}

TEST_F(ViewCommand, RecordsAFilmAsGif) {
  EXPECT_EQ(Record("film.gif", {run_, "--step", "3", "--episodes", "2"}), "24 pictures in film.gif\n");
  const auto close = [](GifFileType* file) { DGifCloseFile(file, nullptr); };
  const std::unique_ptr<GifFileType, decltype(close)> gif(DGifOpenFileName((folder_ / "film.gif").c_str(), nullptr),
                                                          close);
  ASSERT_TRUE(gif && DGifSlurp(gif.get()) == GIF_OK);
  EXPECT_EQ(gif->SWidth, kWidth);
  EXPECT_EQ(gif->SHeight, kHeight);
  int hundredths = 0;
  for (int i = 0; i < gif->ImageCount; ++i) {
    GraphicsControlBlock control;
    ASSERT_EQ(DGifSavedExtensionToGCB(gif.get(), i, &control), GIF_OK);
    hundredths += control.DelayTime;
  }
  EXPECT_NEAR(hundredths, 24 * 100 / 8, 1) << "equal pictures may be one that stays";
}

TEST_F(ViewCommand, RecordsAFilmAsMp4) {
  EXPECT_EQ(Record("film.mp4", {run_, "--step", "3"}), "12 pictures in film.mp4\n");
  const tests::Ended probed = tests::Program(folder_.path(),
                                             {"ffprobe", "-v", "error", "-count_packets", "-show_entries",
                                              "stream=width,height,nb_read_packets", "-of", "csv=p=0", "film.mp4"},
                                             {}, "/usr/bin/env")
                                  .Wait();
  EXPECT_EQ(probed.out, "640,400,12\n") << probed.err;
}

TEST_F(ViewCommand, SpeedsAboveTheRateOfPicturesLeaveStepsOut) {
  const std::vector<std::string> longer = {"length_max=12", "length_min=12"};
  auto twin = TwinOfEnv("Corridor-v0", kWidth, kHeight, longer);
  twin.session.SetSpeed(100);
  while (twin.session.PlayStep()) {
  }
  // At 25 pictures a second every fourth step, and the end for a second.
  EXPECT_EQ(Record("fast_%02d.png", {"Corridor-v0", longer[0], longer[1], "--speed", "100"}),
            std::to_string(1 + twin.session.newest() / 4 + 25) + " pictures in fast_%02d.png\n");
  auto then = TwinOfEnv("Corridor-v0", kWidth, kHeight, longer);
  then.session.SetSpeed(100);
  ExpectShows(ReadPng(folder_ / "fast_01.png"), std::move(then), 4);
}

TEST_F(ViewCommand, TheSameWordsGiveTheSameBytes) {
  Quietly({run_, "--save-episode", "a.safetensors"});
  Quietly({run_, "--save-episode", "b.safetensors"});
  EXPECT_EQ(configs::ReadWholeFile(folder_ / "a.safetensors"), configs::ReadWholeFile(folder_ / "b.safetensors"));
  for (const char* film : {"a.gif", "b.gif"}) Record(film, {"a.safetensors"});
  EXPECT_EQ(configs::ReadWholeFile(folder_ / "a.gif"), configs::ReadWholeFile(folder_ / "b.gif"));
}

TEST_F(ViewCommand, ASavedEpisodeShowsWhatWasSaved) {
  auto twin = TwinOfRun(run_, kWidth, kHeight);
  twin.session.Begin(5, 2);
  while (twin.session.PlayStep()) {
  }
  const auto& played = *twin.session.seats()[0].episode;
  EXPECT_EQ(Quietly({run_, "--seed", "5", "--episode", "2", "--save-episode", "e.safetensors"}),
            std::to_string(played.newest()) + " steps in e.safetensors\n");
  const auto saved = agents::LoadEpisode(folder_ / "e.safetensors");
  EXPECT_EQ(saved.level_json, played.level_json());
  EXPECT_EQ(saved.seed, 5u);
  EXPECT_EQ(saved.number, 2u);
  for (int64_t step = 0; step < played.newest(); ++step)
    EXPECT_EQ(saved.actions[static_cast<size_t>(step)], played.At(step).action) << step;

  const Image again = PictureOf({"e.safetensors"}), first = PictureOf({run_, "--seed", "5", "--episode", "2"});
  constexpr int kBottom = kHeight - 50;  // the timeline says "replay" instead of "sample"
  EXPECT_EQ(again.Rows(tests::kStatusLast, kBottom), first.Rows(tests::kStatusLast, kBottom));
}

TEST_F(ViewCommand, PartOfAnEpisodeCanBeSavedAndShown) {
  EXPECT_EQ(Quietly({"Portal-Short-v0", "--step", "2", "--save-episode", "e.safetensors"}),
            "2 steps in e.safetensors\n");
  EXPECT_EQ(Record("e_%d.png", {"e.safetensors"}), "11 pictures in e_%d.png\n");
}

TEST_F(ViewCommand, PlaysAnEnvironmentWithItsOracleOrByChance) {
  const auto twin = [](Chooser chooser) {
    auto made = TwinOfEnv("Portal-Short-v0", kWidth, kHeight);
    made.session.SetChooser(chooser);
    return made;
  };
  ExpectShows(PictureOf({"Portal-Short-v0"}), twin(Chooser::kOracle));
  ExpectShows(PictureOf({"Portal-Short-v0", "--actions", "random"}), twin(Chooser::kRandom));
}

TEST_F(ViewCommand, TakesTheLikeliestActionOrTheOraclesForARun) {
  for (const auto& [word, chooser] : {std::pair{"greedy", Chooser::kGreedy}, {"oracle", Chooser::kOracle}}) {
    auto twin = TwinOfRun(run_, kWidth, kHeight);
    twin.session.SetChooser(chooser);
    ExpectShows(PictureOf({run_, "--actions", word, "--step", "4"}), std::move(twin), 4);
  }
}

TEST_F(ViewCommand, OptionsBehindARunAreThoseOfTheRunBehindAnIdThoseOfTheEnvironment) {
  ExpectShows(PictureOf({run_, "env.length_max=9", "env.length_min=9"}),
              TwinOfRun(run_, kWidth, kHeight, {"env.length_max=9", "env.length_min=9"}));
  ExpectShows(PictureOf({"Corridor-v0", "length_max=9", "seed=4"}),
              TwinOfEnv("Corridor-v0", kWidth, kHeight, {"length_max=9", "seed=4"}));
}

TEST_F(ViewCommand, SeedAndEpisodeChooseTheLevel) {
  const auto twin = [](uint64_t seed, uint64_t number) {
    auto made = TwinOfEnv("Corridor-Short-v0", kWidth, kHeight);
    made.session.Begin(seed, number);
    return made;
  };
  ExpectShows(PictureOf({"Corridor-Short-v0", "--seed", "7", "--episode", "3"}), twin(7, 3));
  ExpectShows(PictureOf({"Corridor-Short-v0", "--episode", "4294967295"}), twin(1, 4294967295));
}

TEST_F(ViewCommand, TwoRunsStandSideBySideOnTheSameLevels) {
  const std::string other = folder_ / "other";
  tests::WriteTinyRun(other, {"env.length_min=4"}, 2);
  auto players = tests::OnePlayer(tools::MakeRunPlayer(run_, {"env.length_min=5"}));
  players.push_back(tools::MakeRunPlayer(other, {"env.length_min=5"}));
  ExpectShows(PictureOf({run_, other, "env.length_min=5", "--step", "5"}),
              tests::Twin(std::move(players), kWidth, kHeight), 5);
}

TEST_F(ViewCommand, ScaleLivingAndPausedAreSeen) {
  auto twin = TwinOfRun(run_, kWidth, kHeight);
  twin.session.SetOnlyLiving(true);
  twin.session.SetPlaying(false);
  ExpectShows(PictureOf({run_, "--living", "--paused"}), std::move(twin));
  EXPECT_FALSE(Same(PictureOf({"Corridor-v0", "--scale", "0.5"}), PictureOf({"Corridor-v0"})));
}

TEST_F(ViewCommand, ARunThatWasTrainedIsShown) {
  const auto trained = tests::RunLethe(
      folder_.path(), tests::TrainTiny("trained", {"--quiet", "train.max_steps=500", "log.eval_episodes=0"}));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  ExpectShows(PictureOf({"trained/live.safetensors"}),
              TwinOfRun(folder_ / "trained/live.safetensors", kWidth, kHeight));
}

TEST_F(ViewCommand, ASignalEndsARecordingWithWhatThereIs) {
  tests::Program program(folder_.path(), {"view", "Corridor-1k-v0", "--record", "p_%05d.png", "--size", "640x400"},
                         tests::TakeDisplay);
  ASSERT_TRUE(tests::WaitUntil(program, [&] { return fs::exists(folder_ / "p_00002.png"); }));
  program.Send(SIGINT);
  const auto ended = program.Wait();
  EXPECT_EQ(ended.exit_code, 128 + SIGINT) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr(" pictures in p_%05d.png\n"));
  EXPECT_EQ(ended.err, "");
  for (const auto& entry : fs::directory_iterator(folder_.path()))
    EXPECT_TRUE(entry.path().extension() == ".png" || entry.path().filename() == "run") << entry.path();
}

TEST_F(ViewCommand, WithoutADisplayNothingButPicturesCanBeHad) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"view", run_}, {"view", "Corridor-v0"}, {"play", "Corridor-v0", "--window"}}) {
    const auto ended = tests::RunLethe(folder_.path(), words, tests::TakeDisplay);
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_EQ(ended.err,
              "lethe: there is no display (DISPLAY and WAYLAND_DISPLAY are not set); `lethe view ... --record FILE` "
              "writes pictures without one\n");
  }
}

TEST_F(ViewCommand, ADisplayThatDoesNotAnswerIsOneLine) {
  const auto ended = tests::RunLethe(folder_.path(), {"view", run_}, [] {
    tests::TakeDisplay();
    ::setenv("DISPLAY", ":59999", 1);
    ::alarm(60);
  });
  EXPECT_EQ(ended.exit_code, 2) << "SDL has drivers that show nothing";
  EXPECT_EQ(ended.err, "lethe: there is no display to open a window on: x11 not available\n");
}

TEST_F(ViewCommand, TrainingWithAViewNeedsADisplayBeforeItWritesAnything) {
  const auto ended = tests::RunLethe(folder_.path(), tests::TrainTiny("new", {"--view"}), tests::TakeDisplay);
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, testing::StartsWith("lethe: there is no display "));
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  EXPECT_FALSE(fs::exists(folder_ / "new"));
}

// --- What is refused.

struct Refused {
  std::string name;
  std::vector<std::string> words;
  std::string message;  ///< part of the line
};

std::ostream& operator<<(std::ostream& out, const Refused& refused) { return out << refused.name; }

/// Runs `run`, `longer` (other levels), `portal` (another environment), `empty` (no weights), `sequence`; the episode
/// e.safetensors, and `cut.safetensors`, which lacks its end.
class ViewRefusal : public testing::TestWithParam<Refused> {
 protected:
  ViewRefusal() {
    tests::WriteTinyRun(folder_ / "run");
    tests::WriteTinyRun(folder_ / "longer", {"env.length_min=4"});
    tests::WritePortalRun(folder_ / "portal");
    tests::WriteTinyRun(folder_ / "empty");
    fs::remove(folder_ / "empty/live.safetensors");
    configs::RunFolder::Create(folder_ / "sequence").WriteConfig(agents::ToYaml(*agents::MakeTinySequence()));
    auto twin = TwinOfEnv("Corridor-v0", kWidth, kHeight);
    twin.Play(3);
    agents::SaveEpisode(folder_ / "e.safetensors", *twin.session.seats()[0].episode, "Corridor-v0");
    const std::string whole = configs::ReadWholeFile(folder_ / "e.safetensors");
    std::ofstream(folder_ / "cut.safetensors") << whole.substr(0, whole.size() - 1);
    std::ofstream(folder_ / "changed.safetensors") << whole.substr(0, whole.size() - 1) << char(whole.back() ^ 1);
    std::ofstream(folder_ / "file.txt") << "text\n";
  }
  const TemporaryFolder folder_;
};

TEST_P(ViewRefusal, IsOneLineAndNothingIsWritten) {
  const size_t before = folder_.NumEntries();
  auto words = GetParam().words;
  const auto ended = View(folder_.path(), words);
  EXPECT_EQ(ended.exit_code, 2) << ended.err;
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.err, testing::StartsWith("lethe: "));
  EXPECT_THAT(ended.err, HasSubstr(GetParam().message));
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  EXPECT_EQ(folder_.NumEntries(), before);
}

std::vector<std::string> Recorded(std::vector<std::string> words) {
  words.insert(words.end(), {"--record", "x.png"});
  return words;
}

const std::vector<Refused> kRefused = {
    // what to show
    {"MisspeltRun", Recorded({"rnu"}), "`rnu` is no run, no file and no environment; did you mean `run`?"},
    {"MisspeltRunInAFolder", Recorded({"./rnu"}), "did you mean `run`?"},
    {"MissingFile", Recorded({"nowhere.safetensors"}), "nowhere.safetensors: no such file"},
    {"FolderOfNoRun", Recorded({"."}), "not a run"},
    {"TextFile", Recorded({"file.txt"}), "file.txt"},
    {"CutEpisode", Recorded({"cut.safetensors"}), "cut.safetensors: the tensors need "},
    {"ChangedEpisode", Recorded({"changed.safetensors"}), "the file is damaged"},
    {"SequenceRun", Recorded({"sequence"}), "has no episodes; look at it with: lethe inspect sequence"},
    {"RunWithoutWeights", Recorded({"empty"}), "empty: has no weights yet; try again once it has trained"},
    {"OtherNetwork", Recorded({"run", "memory.dim=32"}), "these options need"},
    {"RunOption", Recorded({"run", "env.length_mx=5"}), "did you mean `env.length_max`?"},
    {"OptionsOfAnEpisode", Recorded({"e.safetensors", "length_max=5"}), "a saved episode takes no options"},
    // two of them
    {"OtherEnvironment", Recorded({"run", "portal"}), "run plays Corridor-v0 and portal plays Portal-Short-v0"},
    {"OtherLevels", Recorded({"run", "longer"}), "in run and 4 in longer"},
    {"EpisodeBesideARun", Recorded({"e.safetensors", "run"}), "a saved episode is shown alone"},
    // flags of an episode
    {"SeedOfAnEpisode", Recorded({"e.safetensors", "--seed", "3"}), "a saved episode has its own"},
    {"ActionsOfAnEpisode", Recorded({"e.safetensors", "--actions", "oracle"}), "a saved episode are fixed"},
    {"EpisodesOfAnEpisode", {"e.safetensors", "--episodes", "2", "--record", "x.gif"}, "a saved episode is one"},
    // recording and saving
    {"RecordEnding", {"run", "--record", "x.txt"}, "a recording ends in .gif, .mp4 or .png"},
    {"RecordWithoutEnding", {"run", "--record", "x"}, "a recording ends in .gif, .mp4 or .png"},
    {"RecordConversion", {"run", "--record", "x_%s.png"}, "written %d or %05d"},
    {"RecordNowhere", {"run", "--record", "nowhere/x.gif"}, "nowhere/x.gif: cannot create: No such file or directory"},
    {"OnePictureOfTwoEpisodes", Recorded({"run", "--episodes", "2"}),
     "x.png: holds one picture; several need a number"},
    {"SaveEnding", {"run", "--save-episode", "x.png"}, "it has to end in .safetensors"},
    {"SaveNowhere", {"run", "--save-episode", "nowhere/x.safetensors"}, "nowhere/x.safetensors: cannot create"},
    {"SaveTwo", {"run", "run", "--save-episode", "x.safetensors"}, "--save-episode"},
};

INSTANTIATE_TEST_SUITE_P(Table, ViewRefusal, testing::ValuesIn(kRefused),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace lethe
