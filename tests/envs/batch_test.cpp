// What every environment has to keep, whatever its rules: each test runs on every registered id.

#include "envs/batch.h"

#include <algorithm>
#include <bit>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

class BatchTest : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<EnvBatch> Make(const BatchOptions& options, const Changes& changes = {}) {
    return MakeBatch(GetParam(), options, changes);
  }
};

// Short episodes, so that a few hundred steps see many ends.
const Changes kShort = {{"max_steps", 17}};

TEST_P(BatchTest, SpecIsComplete) {
  const auto batch = Make({.size = 1});
  const Spec& spec = batch->spec();
  EXPECT_EQ(spec.family, Find(GetParam()).family);
  EXPECT_EQ(spec.action_names.size(), static_cast<size_t>(spec.num_actions));
  EXPECT_EQ(spec.metric_names.back(), "steps");
  EXPECT_EQ(std::ranges::count(spec.metric_names, spec.score_metric), 1);
  for (const TokenSpec& token : spec.tokens) EXPECT_TRUE(token.vocabulary > 1 && !token.meaning.empty());
}

TEST_P(BatchTest, OutputsKeepTheRules) {
  const auto batch = Make({.size = 8, .seed = 3}, kShort);
  Buffers buffers(*batch);
  const BatchPolicy policy = RandomPolicy(1);
  batch->Reset(buffers.observations.data());
  for (int t = 0; t < 300; ++t) {
    const Buffers before = buffers;
    policy(*batch, buffers);
    buffers.Step(*batch);
    for (int row = 0; row < batch->size(); ++row) {
      EXPECT_FALSE(buffers.terminated[row] && buffers.truncated[row]);
      ASSERT_EQ(buffers.episode_start[row], before.ended(row)) << "step " << t << " row " << row;
      EXPECT_TRUE(!buffers.episode_start[row] || (buffers.rewards[row] == 0 && !buffers.ended(row)));
      EXPECT_TRUE(!buffers.truncated[row] || Metric(*batch, row, "steps") == 17);
      for (int i = 0; i < batch->num_tokens(); ++i) {
        ASSERT_LT(buffers.observations[row * batch->num_tokens() + i], batch->spec().tokens[i].vocabulary);
      }
    }
  }
}

TEST_P(BatchTest, ObserveAndCuesShowThePresentState) {
  const auto batch = Make({.size = 4, .seed = 3}, kShort);
  Buffers buffers(*batch);
  std::vector<uint8_t> again(buffers.observations.size()), cues(batch->size());
  const BatchPolicy policy = RandomPolicy(1);
  batch->Reset(buffers.observations.data());
  for (int t = 0; t < 50; ++t) {
    batch->Observe(again.data());
    ASSERT_EQ(again, buffers.observations);
    batch->Cues(cues.data());
    for (int row = 0; row < batch->size(); ++row) ASSERT_EQ(cues[row], batch->IsCue(row));
    policy(*batch, buffers);
    buffers.Step(*batch);
  }
}

TEST_P(BatchTest, HintIsTheOraclesActionAndZeroAfterTermination) {
  const auto batch = Make({.size = 4, .seed = 3}, {{"hint", true}, {"max_steps", 60}});
  const auto plain = Make({.size = 1});
  ASSERT_EQ(batch->num_tokens(), plain->num_tokens() + 1);
  EXPECT_EQ(batch->spec().tokens.back().vocabulary, batch->spec().num_actions);
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  for (int t = 0; t < 100; ++t) {
    batch->Oracle(buffers.actions.data());
    for (int row = 0; row < batch->size(); ++row) {
      const int hint = buffers.observations[(row + 1) * batch->num_tokens() - 1];
      ASSERT_EQ(hint, buffers.actions[row]);
      ASSERT_TRUE(!buffers.terminated[row] || hint == 0);
    }
    buffers.Step(*batch);
  }
}

TEST_P(BatchTest, RestoredAtAnyStepItHasTheSameFuture) {
  const auto batch = Make({.size = 3, .seed = 5, .first_index = 2}, kShort);
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  const BatchPolicy policy = RandomPolicy(1);
  for (int t = 0; t < 60; ++t) {
    policy(*batch, buffers);
    buffers.Step(*batch);
    const auto saved = batch->Save();
    const auto twin = Make({.size = 3, .seed = 77}, kShort);
    twin->Restore(saved);
    ASSERT_EQ(twin->Save(), saved);
    Buffers expected = buffers, got = buffers;
    const BatchPolicy future = RandomPolicy(t);
    for (int ahead = 0; ahead < 40; ++ahead) {
      future(*batch, expected);
      got.actions = expected.actions;
      expected.Step(*batch);
      got.Step(*twin);
      ASSERT_EQ(expected, got) << "saved at " << t << ", " << ahead << " steps ahead";
    }
    for (int row = 0; row < 3; ++row)
      ASSERT_TRUE(std::ranges::equal(batch->EpisodeMetrics(row), twin->EpisodeMetrics(row)));
    batch->Restore(saved);
  }
}

TEST_P(BatchTest, ARecordedLevelHasTheSameFuture) {
  const auto batch = Make({.size = 2, .seed = 5}, kShort);
  const auto other = Make({.size = 2, .seed = 6}, kShort);
  Buffers expected(*batch), got(*other);
  const BatchPolicy policy = RandomPolicy(1);
  for (int episode = 0; episode < 10; ++episode) {
    batch->Reset(expected.observations.data());
    for (int row = 0; row < 2; ++row) other->LoadLevel(row, batch->LevelJson(row));
    other->Observe(got.observations.data());
    ASSERT_EQ(expected.observations, got.observations);
    for (int t = 0; t < 17 && !expected.ended(0) && !expected.ended(1); ++t) {
      policy(*batch, expected);
      got.actions = expected.actions;
      expected.Step(*batch);
      got.Step(*other);
      ASSERT_EQ(expected, got);
      ASSERT_EQ(batch->LevelJson(1), other->LevelJson(1));
    }
    std::ranges::fill(expected.terminated, 0);
    std::ranges::fill(expected.truncated, 0);
  }
}

// The record decides the limit too, whatever the curriculum of the batch it is loaded into.
TEST_P(BatchTest, ARecordedLevelHasItsOwnLimitAtAnyCurriculum) {
  const auto easy = Make({.size = 1, .seed = 5}), hard = Make({.size = 1, .seed = 6});
  const Spec& spec = easy->spec();
  if (spec.curriculum_parameter.empty() || spec.curriculum_max > 300) GTEST_SKIP() << "no curriculum, or a long one";
  easy->SetCurriculum(spec.curriculum_min);
  Buffers a(*easy), b(*hard);
  easy->Reset(a.observations.data());
  hard->Reset(b.observations.data());
  for (EnvBatch* from : {easy.get(), hard.get()}) {
    EnvBatch& to = from == easy.get() ? *hard : *easy;
    a.terminated[0] = a.truncated[0] = 0;
    from->Restart(0, a.observations.data());
    to.LoadLevel(0, from->LevelJson(0));
    to.Observe(b.observations.data());
    ASSERT_EQ(a.observations, b.observations);
    for (int t = 0; !a.ended(0); ++t) {
      a.actions[0] = b.actions[0] = static_cast<uint8_t>(spec.num_actions - 1);
      a.Step(*from);
      b.Step(to);
      b.episode_start = a.episode_start;
      ASSERT_EQ(a, b) << "step " << t;
    }
  }
}

TEST_P(BatchTest, StepAloneStartsAFreshBatch) {
  const auto reset = Make({.size = 4});
  const auto stepped = Make({.size = 4});
  Buffers a(*reset), b(*stepped);
  reset->Reset(a.observations.data());
  b.Step(*stepped);
  EXPECT_EQ(a.observations, b.observations);
  EXPECT_EQ(b.episode_start, std::vector<uint8_t>(4, 1));
}

TEST_P(BatchTest, RestartedRowsPlayTheEpisodesOfRowsThatStartByThemselves) {
  const auto native = Make({.size = 2, .seed = 9}, {{"max_steps", 3}});
  const auto restarted = Make({.size = 2, .seed = 9}, {{"max_steps", 3}});
  Buffers a(*native), b(*restarted);
  native->Reset(a.observations.data());
  restarted->Reset(b.observations.data());
  for (int episode = 0; episode < 5; ++episode) {
    while (!a.ended(1)) a.Step(*native);
    a.Step(*native);  // row 1 starts anew
    restarted->Restart(1, &b.observations[restarted->num_tokens()]);
    const auto row = [&](const Buffers& buffers) {
      return std::vector(buffers.observations.begin() + native->num_tokens(), buffers.observations.end());
    };
    ASSERT_EQ(row(a), row(b));
    ASSERT_EQ(native->LevelJson(1), restarted->LevelJson(1));
  }
  EXPECT_THROW(restarted->Restart(2, b.observations.data()), std::out_of_range);
}

TEST_P(BatchTest, TheFinalObservationIsThatOfTheStateAtTheEnd) {
  const auto batch = Make({.size = 8, .seed = 3}, kShort);
  Buffers buffers(*batch);
  std::vector<uint8_t> again(buffers.observations.size());
  const BatchPolicy policy = RandomPolicy(1);
  batch->Reset(buffers.observations.data());
  int ends = 0;
  for (int t = 0; t < 100; ++t) {
    policy(*batch, buffers);
    buffers.Step(*batch);
    batch->Observe(again.data());
    ASSERT_EQ(again, buffers.observations);
    for (int row = 0; row < batch->size(); ++row) {
      if (!buffers.ended(row)) continue;
      ++ends;
      EXPECT_FALSE(batch->Text(row).empty());  // of the end, not of the next episode
      EXPECT_EQ(Metric(*batch, row, "steps") > 0, true);
    }
  }
  EXPECT_GT(ends, 0);
}

TEST_P(BatchTest, PicturesAreWholeOrAbsent) {
  const auto batch = Make({.size = 1});
  std::vector<uint8_t> observation(batch->num_tokens());
  batch->Reset(observation.data());
  const Picture picture = batch->MakePicture(0);
  EXPECT_EQ(picture.cells.size(), static_cast<size_t>(picture.rows) * picture.columns);
  EXPECT_TRUE(picture.empty() || (picture.agent_row < picture.rows && picture.agent_column < picture.columns));
}

TEST_P(BatchTest, ABadActionIsRefusedAndChangesNothing) {
  const auto batch = Make({.size = 3});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  const auto saved = batch->Save();
  buffers.actions = {0, 0, static_cast<uint8_t>(batch->spec().num_actions)};
  EXPECT_THAT(ErrorOf([&] { buffers.Step(*batch); }), HasSubstr("action of row 2 is"));
  EXPECT_EQ(batch->Save(), saved);
}

TEST_P(BatchTest, ARowThatStartsAnewIgnoresItsAction) {
  const auto batch = Make({.size = 2}, {{"max_steps", 1}});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  buffers.Step(*batch);
  ASSERT_TRUE(buffers.ended(0) && buffers.ended(1));
  buffers.actions = {255, 0};
  EXPECT_NO_THROW(buffers.Step(*batch));
}

TEST_P(BatchTest, QuestionsAboutNoEpisodeOrNoRowAreErrors) {
  const auto batch = Make({.size = 2});
  EXPECT_THAT(ErrorOf([&] { batch->Text(0); }), HasSubstr("call Reset"));
  EXPECT_THROW(batch->LevelJson(0), std::logic_error);
  EXPECT_THROW(batch->IsCue(2), std::out_of_range);
  EXPECT_THROW(batch->EpisodeMetrics(-1), std::out_of_range);
}

TEST_P(BatchTest, AScoutThatIsNotThereIsAnError) {
  const auto batch = Make({.size = 1});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  const std::string error = ErrorOf([&] { batch->Scout(buffers.actions.data()); });
  EXPECT_EQ(error, batch->HasScout() ? "" : batch->spec().family + " has no scout");
}

TEST(Advice, NamesItsOwnActionWhereThereIsABitForIt) {
  EXPECT_EQ(Advice(3).ties, 0b1000);
  EXPECT_EQ(Advice(3, 0b0110).ties, 0b1110);
  EXPECT_EQ(Advice(8).ties, 0);
  EXPECT_EQ(Advice(200, 0b1).ties, 0b1);
}

TEST_P(BatchTest, AScoutHoldsItsOwnActionAsGood) {
  const auto batch = Make({.size = 3, .seed = 4});
  if (!batch->HasScout()) GTEST_SKIP() << "no scout";
  Buffers buffers(*batch), alone(*batch);
  batch->Reset(buffers.observations.data());
  std::vector<uint8_t> ties(3);
  for (int t = 0; t < 300; ++t) {
    batch->Scout(buffers.actions.data(), ties.data());
    for (size_t row = 0; row < 3; ++row) {
      const uint8_t action = buffers.actions[row];
      if (action < 8) {
        EXPECT_TRUE(ties[row] >> action & 1) << "row " << row;
      }
      EXPECT_LE(std::bit_width(ties[row]), batch->spec().num_actions) << "row " << row;
    }
    batch->Scout(alone.actions.data());
    EXPECT_EQ(alone.actions, buffers.actions) << "whether it is asked for ties or not";
    buffers.Step(*batch);
  }
}

TEST_P(BatchTest, ExplanationsAreThoseOfTheSpec) {
  const auto batch = Make({.size = 3, .seed = 4});
  const Spec& spec = batch->spec();
  const size_t count = spec.explanation.size();
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  std::vector<uint8_t> tokens(3 * count, 255);
  const std::string error = ErrorOf([&] { batch->Explain(tokens.data()); });
  if (count == 0) {
    EXPECT_EQ(error, spec.family + " has no scout that explains");
    return;
  }
  EXPECT_EQ(error, spec.family + ": the scout was never asked, so it explains nothing");
  int said = 0;
  for (int t = 0; t < 300; ++t) {
    batch->Scout(buffers.actions.data());
    tokens.assign(tokens.size(), 255);
    batch->Explain(tokens.data());
    for (size_t i = 0; i < tokens.size(); ++i) {
      EXPECT_LT(tokens[i], spec.explanation[i % count].vocabulary) << "token " << i % count;
      if (buffers.terminated[i / count]) {
        EXPECT_EQ(tokens[i], 0) << "after the end";
      }
      said += tokens[i] > 0;
    }
    buffers.Step(*batch);
  }
  EXPECT_GT(said, 0);
}

TEST_P(BatchTest, DamagedOrForeignBytesAreRefused) {
  const auto batch = Make({.size = 2, .seed = 1});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  const auto saved = batch->Save();
  for (size_t size : {size_t{0}, size_t{7}, size_t{100}, saved.size() - 1}) {
    EXPECT_THROW(batch->Restore(std::span(saved).first(size)), std::invalid_argument) << size;
  }
  for (size_t at = 0; at < saved.size(); at += 1 + saved.size() / 50) {
    auto flipped = saved;
    flipped[at] ^= std::byte{4};
    EXPECT_THROW(batch->Restore(flipped), std::invalid_argument) << at;
  }
  EXPECT_EQ(batch->Save(), saved);
  auto longer = saved;
  longer.push_back({});
  EXPECT_THROW(batch->Restore(longer), std::invalid_argument);
  EXPECT_THAT(ErrorOf([&] { Make({.size = 3})->Restore(saved); }), HasSubstr("size is 2; this batch has 3"));
  EXPECT_THAT(ErrorOf([&] {
                Make({.size = 2}, {{"step_cost", 0.5}})->Restore(saved);
              }),
              HasSubstr("step_cost is 0.0; this batch has 0.5"));
  EXPECT_EQ(batch->Save(), saved);
}

TEST_P(BatchTest, TheCurriculumIsClampedAndSaved) {
  const auto batch = Make({.size = 2});
  const Spec& spec = batch->spec();
  if (spec.curriculum_parameter.empty()) GTEST_SKIP() << "no curriculum parameter";
  Buffers buffers(*batch);
  const auto value_at_next_episode = [&](EnvBatch& of) {
    of.Reset(buffers.observations.data());
    return Json::parse(of.LevelJson(0))["params"][spec.curriculum_parameter].get<double>();
  };
  EXPECT_EQ(value_at_next_episode(*batch), spec.curriculum_max);
  batch->SetCurriculum(-5);
  EXPECT_EQ(value_at_next_episode(*batch), spec.curriculum_min);
  batch->SetCurriculum(1e12);
  EXPECT_EQ(value_at_next_episode(*batch), spec.curriculum_max);
  batch->SetCurriculum(spec.curriculum_min + 0.9);
  const auto twin = Make({.size = 2});
  twin->Restore(batch->Save());
  EXPECT_EQ(value_at_next_episode(*twin), spec.curriculum_min);
  EXPECT_THROW(batch->SetCurriculum(NAN), std::invalid_argument);
}

TEST_P(BatchTest, ALevelOfAnotherBatchIsRefused) {
  const auto batch = Make({.size = 1});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  const auto saved = batch->Save();
  const Json level = Json::parse(batch->LevelJson(0));
  const auto error_with = [&](const std::string& pointer, const Json& value) {
    Json changed = level;
    changed[Json::json_pointer(pointer)] = value;
    return ErrorOf([&] { batch->LoadLevel(0, changed.dump()); });
  };
  EXPECT_THAT(error_with("/env", "Maze"), HasSubstr("env is \"Maze\"; this batch has"));
  EXPECT_THAT(error_with("/version", 9), HasSubstr("version is 9"));
  EXPECT_THAT(error_with("/params/step_cost", 0.5), HasSubstr("step_cost is 0.5; this batch has 0.0"));
  EXPECT_THAT(error_with("/params/step_cost", 2), HasSubstr("step_cost is 2; allowed"));
  EXPECT_THAT(error_with("/params/speed", 4), HasSubstr("unknown parameter speed"));
  EXPECT_THAT(ErrorOf([&] { batch->LoadLevel(0, "{"); }), HasSubstr("JSON object"));
  EXPECT_EQ(batch->Save(), saved);
}

INSTANTIATE_TEST_SUITE_P(Envs, BatchTest, ::testing::ValuesIn(Ids()), TestNameOfId);

}  // namespace
}  // namespace lethe::envs
