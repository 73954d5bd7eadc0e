#include "configs/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "configs/atomic_file.h"
#include "tests/child_process.h"
#include "tests/temporary_folder.h"

namespace lethe::configs {
namespace {

using tests::TemporaryFolder;

template <typename T>
TensorView View(const std::string& name, Dtype dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
  return {name, dtype, std::move(shape), std::as_bytes(std::span(values))};
}

template <typename T>
std::vector<T> Values(const TensorView& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

/// A file as any other program might write it: header and data as they come.
std::string Raw(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + header + std::string(data_bytes, 'd');
}

std::string MessageOfReading(const std::string& content) {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  std::ofstream(path, std::ios::binary) << content;
  try {
    SafetensorsFile file(path);
  } catch (const SafetensorsError& error) {
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with(path + ": ")) << message;
    return message.substr(path.size() + 2);
  }
  return "";
}

const std::vector<float> kWeights = {1.5f, -2.0f, 0.0f, 4.25f, 5.0f, 6.0f};
const std::vector<int64_t> kCounter = {1'234'567'890'123};
const std::vector<uint8_t> kFlags = {1, 0, 1};

std::vector<TensorView> SmallSet() {
  return {View("policy.weight", Dtype::kF32, {2, 3}, kWeights), View("env_steps", Dtype::kI64, {}, kCounter),
          View("flags", Dtype::kBool, {3}, kFlags), View("empty", Dtype::kF64, {0, 4}, std::vector<double>{})};
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "a", SmallSet(), {{"phase", "learn"}, {"quote", "\"\\\n\xc3\xa4"}});
  const SafetensorsFile file(folder / "a", Checksum::kRequired);
  ASSERT_EQ(file.tensors().size(), 4u);
  EXPECT_EQ(file.tensors()[0].name, "policy.weight");
  EXPECT_EQ(file.Find("policy.weight").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(Values<float>(file.Find("policy.weight")), kWeights);
  EXPECT_EQ(file.Find("env_steps").shape, std::vector<int64_t>{});
  EXPECT_EQ(Values<int64_t>(file.Find("env_steps")), kCounter);
  EXPECT_EQ(Values<uint8_t>(file.Find("flags")), kFlags);
  EXPECT_EQ(file.Find("empty").shape, (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"phase", "learn"}, {"quote", "\"\\\n\xc3\xa4"}}));
  EXPECT_FALSE(file.Has("policy"));
}

TEST(Safetensors, WritesAndReadsNothingAtAll) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "a", {}, {});
  EXPECT_TRUE(SafetensorsFile(folder / "a", Checksum::kRequired).tensors().empty());
}

TEST(Safetensors, CarriesEveryElementType) {
  const TemporaryFolder folder;
  const std::string data(16, 'x');
  std::vector<TensorView> tensors;
  for (int i = 0; i <= static_cast<int>(Dtype::kF8E5M2); ++i) {
    const auto dtype = static_cast<Dtype>(i);
    tensors.push_back({std::string(DtypeName(dtype)), dtype, {2}, AsBytes(data).first(2 * DtypeSize(dtype))});
  }
  WriteSafetensors(folder / "a", tensors, {});
  const SafetensorsFile file(folder / "a");
  for (const TensorView& tensor : tensors) EXPECT_EQ(file.Find(tensor.name).dtype, tensor.dtype) << tensor.name;
}

TEST(Safetensors, HandsOutAlignedDataThatSurvivesAMove) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "a", SmallSet(), {});
  SafetensorsFile file(folder / "a");
  for (const TensorView& tensor : file.tensors())
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.bytes.data()) % 64, 0u) << tensor.name;
  const std::byte* before = file.Find("flags").bytes.data();
  const SafetensorsFile moved = std::move(file);
  EXPECT_EQ(moved.Find("flags").bytes.data(), before);
}

TEST(Safetensors, MissingTensorNamesTheNearest) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "a", SmallSet(), {});
  const SafetensorsFile file(folder / "a");
  try {
    file.Find("policy.weigth");
    FAIL();
  } catch (const SafetensorsError& error) {
    EXPECT_EQ(std::string(error.what()),
              (folder / "a") + ": no tensor \"policy.weigth\"; did you mean `policy.weight`?");
  }
}

TEST(Safetensors, RefusesToWriteWhatCannotBeRead) {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  const auto weights = View("w", Dtype::kF32, {6}, kWeights);
  EXPECT_THROW(WriteSafetensors(path, {View("w", Dtype::kF32, {7}, kWeights)}, {}), std::invalid_argument);
  EXPECT_THROW(WriteSafetensors(path, {View("w", Dtype::kF32, {-2, -3}, kWeights)}, {}), std::invalid_argument);
  EXPECT_THROW(WriteSafetensors(path, {View("w", Dtype::kF32, {1 << 30, 1 << 30, 1 << 30}, kWeights)}, {}),
               std::invalid_argument);
  EXPECT_THROW(WriteSafetensors(path, {View("__metadata__", Dtype::kF32, {6}, kWeights)}, {}), std::invalid_argument);
  EXPECT_THROW(WriteSafetensors(path, {weights, weights}, {}), std::invalid_argument);
  EXPECT_THROW(WriteSafetensors(path, {weights}, {{"lethe.crc32c", "0"}}), std::invalid_argument);
  EXPECT_THROW(WriteSafetensors(path, {weights}, {{"latin", "\xe4"}}), std::invalid_argument);
  EXPECT_EQ(folder.NumEntries(), 0u);
}

TEST(Safetensors, RefusesWrongHeaders) {
  struct Case {
    std::string header;
    size_t data_bytes;
    std::string message;
  };
  const std::string a = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const std::vector<Case> cases = {
      {"", 0, "does not begin with {"},
      {" {}", 0, "does not begin with {"},
      {"{", 0, "not valid JSON"},
      {"{\"\xff\":0}", 0, "not valid JSON"},
      {"{}", 1, "something follows them"},
      {"{" + a + "}", 3, "it is truncated"},
      {"{" + a + "," + a + "}", 4, "names \"a\" twice"},
      {R"({"a":1})", 0, "must be described by an object"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "has no data_offsets"},
      {R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype \"F31\""},
      {R"({"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}})", 4, "dtype must be a text"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "shape must be a list"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "shape must be a list"},
      {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4, "shape must be a list"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 8, "do not span"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "do not span"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "do not span F32 [2]"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "do not span"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "leaving a gap"},
      {"{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})", 6, "but overlaps"},
      {R"({"__metadata__":[]})", 0, "must be an object"},
      {R"({"__metadata__":{"n":1}})", 0, "\"n\" must be a text"},
      {R"({"__metadata__":{"n":"1","lethe.crc32c":"00000000"}})", 0, "not at the start"},
      {R"({"__metadata__":{"lethe.crc32c":"00000000"}})", 0, "the checksum is"},
  };
  for (const Case& c : cases) {
    const std::string message = MessageOfReading(Raw(c.header, c.data_bytes));
    EXPECT_NE(message.find(c.message), std::string::npos) << c.header << "\n  gives: " << message;
  }
  EXPECT_EQ(MessageOfReading(Raw("{" + a + "}", 4)), "");
}

TEST(Safetensors, RefusesWrongHeaderLengths) {
  EXPECT_EQ(MessageOfReading(""), "too short for a header: 0 bytes");
  EXPECT_EQ(MessageOfReading("1234567"), "too short for a header: 7 bytes");
  EXPECT_NE(MessageOfReading(std::string(64, '\xff')).find("the header should have"), std::string::npos);
}

TEST(Safetensors, MissingFileAndFolderAreClear) {
  const TemporaryFolder folder;
  EXPECT_THROW(SafetensorsFile(folder / "missing"), std::system_error);
  EXPECT_THROW(SafetensorsFile(folder.path()), SafetensorsError);
}

TEST(Safetensors, RequiredChecksumMustBeThere) {
  const TemporaryFolder folder;
  WriteFileAtomically(folder / "a", Raw("{}", 0));
  EXPECT_NO_THROW(SafetensorsFile(folder / "a"));
  EXPECT_THROW(SafetensorsFile(folder / "a", Checksum::kRequired), SafetensorsError);
}

TEST(ReferenceSafetensors, ReadsFilesOfThePythonLibrary) {
  const std::string folder = std::string(LETHE_TEST_DATA) + "/reference";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".safetensors") continue;
    const SafetensorsFile file(entry.path().string());
    EXPECT_GE(file.tensors().size(), 60u);
    EXPECT_EQ(file.metadata().at("case") + "." + file.metadata().at("dtype"), entry.path().stem().string());
    ++files;
  }
  EXPECT_EQ(files, 14);
  const SafetensorsFile attention(folder + "/expire_attn_a.f64.safetensors");
  EXPECT_EQ(attention.Find("block0.attn").bytes.size(), 3456u);
  EXPECT_EQ(attention.Find("block0.attn").dtype, Dtype::kF64);
}

// What a crash or a bad disk leaves behind.

bool IsDamaged(const std::string& path) {
  try {
    SafetensorsFile file(path, Checksum::kRequired);
    return false;
  } catch (const SafetensorsError&) {
    return true;
  }
}

/// Writes into an existing file without replacing it, which some file systems would answer by syncing it.
void Overwrite(const std::string& path, size_t at, std::string_view bytes) {
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(static_cast<std::streamoff>(at)) << bytes;
}

TEST(CrashSafetensors, DetectsEveryTruncation) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "file", SmallSet(), {{"phase", "learn"}});
  EXPECT_FALSE(IsDamaged(folder / "file"));
  const size_t whole = std::filesystem::file_size(folder / "file");
  for (size_t size = whole; size-- > 0;) {
    std::filesystem::resize_file(folder / "file", size);
    ASSERT_TRUE(IsDamaged(folder / "file")) << size << " of " << whole;
  }
}

TEST(CrashSafetensors, DetectsEveryFlippedBit) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "file", SmallSet(), {{"phase", "learn"}});
  const std::string good = ReadWholeFile(folder / "file");
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Overwrite(folder / "file", at, std::string(1, static_cast<char>(good[at] ^ (1 << bit))));
      ASSERT_TRUE(IsDamaged(folder / "file")) << "bit " << bit << " of byte " << at;
    }
    Overwrite(folder / "file", at, good.substr(at, 1));
  }
  EXPECT_FALSE(IsDamaged(folder / "file"));
}

TEST(CrashSafetensors, DetectsBlocksOfZerosAndAdditionalBytes) {
  const TemporaryFolder folder;
  const std::vector<double> ones(4096, 1.0);
  WriteSafetensors(folder / "zeros", {View("ones", Dtype::kF64, {4096}, ones)}, {});
  std::filesystem::copy_file(folder / "zeros", folder / "longer");
  Overwrite(folder / "zeros", 8192, std::string(4096, '\0'));  // a block that never reached the disk
  Overwrite(folder / "longer", std::filesystem::file_size(folder / "longer"), "x");
  EXPECT_TRUE(IsDamaged(folder / "zeros"));
  EXPECT_TRUE(IsDamaged(folder / "longer"));
}

TEST(CrashSafetensors, FullDiskKeepsTheOldFile) {
  const TemporaryFolder folder;
  const std::string path = folder / "step";
  WriteSafetensors(path, SmallSet(), {{"version", "old"}});
  const std::vector<double> large(10'000, 1.0);
  const std::string message = tests::MessageFromChild([&] {
    tests::LimitFileSize(20'000);
    WriteSafetensors(path, {View("large", Dtype::kF64, {10'000}, large)}, {});
  });
  EXPECT_EQ(message, path + ": cannot write: File too large");
  EXPECT_EQ(SafetensorsFile(path, Checksum::kRequired).metadata().at("version"), "old");
  EXPECT_EQ(folder.NumEntries(), 1u);
}

TEST(CrashSafetensors, KilledWriterLeavesAWholeFile) {
  const TemporaryFolder folder;
  const std::string path = folder / "live";
  const std::vector<double> large(50'000, 1.0);
  for (int round = 0; round < 5; ++round) {
    WriteSafetensors(path, SmallSet(), {});
    tests::ChildProcess writer([&] {
      while (true) WriteSafetensors(path, {View("large", Dtype::kF64, {50'000}, large)}, {});
    });
    // Readers beside the writer see one version or the other, and so does whoever comes after the kill.
    for (int i = 0; i < 10 + round; ++i) ASSERT_NO_THROW(SafetensorsFile(path, Checksum::kRequired));
    writer.Kill();
    ASSERT_NO_THROW(SafetensorsFile(path, Checksum::kRequired));
  }
}

}  // namespace
}  // namespace lethe::configs
