#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "envs/registration.h"

namespace lethe::envs {

// A plug-in and the program hand C++ objects to each other, so both must have been compiled alike. The plug-in says how
// it was compiled in plain C types, which can be read whatever the answer is; the program compares before it calls
// anything else.

/// One thing that has to be the same on both sides: a text, or a number where `text` is null.
struct AbiFact {
  const char* name;
  const char* text;
  uint64_t number;
};

/// What `lethe_plugin_abi` returns. This struct and AbiFact never change; only version and facts do.
struct PluginAbi {
  uint64_t magic;
  uint32_t version;  ///< of all that crosses the border; where it differs, the facts are not read
  uint32_t num_facts;
  const AbiFact* facts;
};

inline constexpr uint64_t kPluginMagic = 0x6C65746865656E76;  // "letheenv"

/// Goes up with every change of a class that crosses the border, comments apart: EnvBatch, Params, OptionVisitor,
/// Registry, Entry, Change, Scores, Spec, TokenSpec, BatchOptions, StepOutput, Picture, Cell, Stream, and of configs
/// Range and OneOf. Sizes alone do not show an exchanged function.
inline constexpr uint32_t kPluginVersion = 7;

namespace detail {

#define LETHE_TEXT_OF(x) #x
#define LETHE_TEXT(x) LETHE_TEXT_OF(x)

#if defined(__clang__)
inline constexpr const char* kCompiler = "Clang " LETHE_TEXT(__clang_major__);
#elif defined(__GNUC__)
inline constexpr const char* kCompiler = "GCC " LETHE_TEXT(__GNUC__);
#else
inline constexpr const char* kCompiler = "unknown";
#endif

#if defined(_GLIBCXX_RELEASE)
inline constexpr const char* kLibrary = "libstdc++ " LETHE_TEXT(_GLIBCXX_RELEASE);
inline constexpr uint64_t kNewStrings = _GLIBCXX_USE_CXX11_ABI;
#elif defined(_LIBCPP_VERSION)
inline constexpr const char* kLibrary = "libc++ " LETHE_TEXT(_LIBCPP_VERSION);
inline constexpr uint64_t kNewStrings = 0;
#else
inline constexpr const char* kLibrary = "unknown";
inline constexpr uint64_t kNewStrings = 0;
#endif

#if defined(_GLIBCXX_DEBUG)
inline constexpr uint64_t kCheckedContainers = 1;
#else
inline constexpr uint64_t kCheckedContainers = 0;
#endif

// It would change rewards, and with them what golden episodes say.
#if defined(__FAST_MATH__)
inline constexpr uint64_t kFastMath = 1;
#else
inline constexpr uint64_t kFastMath = 0;
#endif

inline constexpr const char* kJsonVersion = LETHE_TEXT(NLOHMANN_JSON_VERSION_MAJOR) "." LETHE_TEXT(
    NLOHMANN_JSON_VERSION_MINOR) "." LETHE_TEXT(NLOHMANN_JSON_VERSION_PATCH);

#undef LETHE_TEXT
#undef LETHE_TEXT_OF

inline constexpr AbiFact kFacts[] = {
    {"compiler", kCompiler, 0},
    {"C++ library", kLibrary, 0},
    {"_GLIBCXX_USE_CXX11_ABI", nullptr, kNewStrings},
    {"_GLIBCXX_DEBUG", nullptr, kCheckedContainers},
    {"-ffast-math", nullptr, kFastMath},
    {"nlohmann_json", kJsonVersion, 0},
    {"size of std::string", nullptr, sizeof(std::string)},
    {"size of std::vector", nullptr, sizeof(std::vector<std::string>)},
    {"size of std::function", nullptr, sizeof(std::function<void()>)},
    {"size of Json", nullptr, sizeof(Json)},
    {"size of Params", nullptr, sizeof(Params)},
    {"size of Entry", nullptr, sizeof(Entry)},
    {"size of Spec", nullptr, sizeof(Spec)},
    {"size of BatchOptions", nullptr, sizeof(BatchOptions)},
    {"size of StepOutput", nullptr, sizeof(StepOutput)},
    {"size of Picture", nullptr, sizeof(Picture)},
    {"size of Stream", nullptr, sizeof(Stream)},
    {"size of Range", nullptr, sizeof(configs::Range)},
    {"size of OneOf", nullptr, sizeof(configs::OneOf)},
    {"size of Change", nullptr, sizeof(Change)},
    {"size of Scores", nullptr, sizeof(Scores)},
    {"size of Cell", nullptr, sizeof(Cell)},
    {"size of TokenSpec", nullptr, sizeof(TokenSpec)},
    {"size of EnvBatch", nullptr, sizeof(EnvBatch)},
};

}  // namespace detail

/// How the file that includes this was compiled.
inline constexpr PluginAbi kPluginAbi = {kPluginMagic, kPluginVersion, static_cast<uint32_t>(std::size(detail::kFacts)),
                                         detail::kFacts};

}  // namespace lethe::envs
