#include "configs/safetensors_header.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace lethe::configs {
namespace {

using Json = nlohmann::ordered_json;
using Entry = SafetensorsHeader::Entry;

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr size_t kAlignment = 64;

struct DtypeRow {
  Dtype dtype;
  std::string_view name;
  size_t size;
};

constexpr std::array kDtypes = {
    DtypeRow{Dtype::kF32, "F32", 4}, DtypeRow{Dtype::kF64, "F64", 8},        DtypeRow{Dtype::kI64, "I64", 8},
    DtypeRow{Dtype::kI32, "I32", 4}, DtypeRow{Dtype::kU8, "U8", 1},          DtypeRow{Dtype::kBool, "BOOL", 1},
    DtypeRow{Dtype::kF16, "F16", 2}, DtypeRow{Dtype::kBF16, "BF16", 2},      DtypeRow{Dtype::kI16, "I16", 2},
    DtypeRow{Dtype::kI8, "I8", 1},   DtypeRow{Dtype::kU64, "U64", 8},        DtypeRow{Dtype::kU32, "U32", 4},
    DtypeRow{Dtype::kU16, "U16", 2}, DtypeRow{Dtype::kF8E4M3, "F8_E4M3", 1}, DtypeRow{Dtype::kF8E5M2, "F8_E5M2", 1}};

const DtypeRow& RowOf(Dtype dtype) {
  return *std::find_if(kDtypes.begin(), kDtypes.end(), [&](const DtypeRow& row) { return row.dtype == dtype; });
}

template <typename... Args>
[[noreturn]] void Damaged(fmt::format_string<Args...> text, Args&&... args) {
  throw SafetensorsError(fmt::format(text, std::forward<Args>(args)...));
}

// Reading.

/// The library keeps the last of two equal keys; here the second is an error.
Json ParseStrictly(std::string_view text) {
  std::vector<std::set<std::string>> keys;
  const auto on_event = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      Damaged("the header names {} twice", value.dump());
    return true;
  };
  try {
    return Json::parse(text, on_event);
  } catch (const Json::exception& error) {
    Damaged("the header is not valid JSON: {}", error.what());
  }
}

Dtype DtypeOf(const std::string& tensor, const Json& json) {
  if (!json.is_string()) Damaged("tensor \"{}\": dtype must be a text", tensor);
  const auto name = json.get<std::string>();
  const auto row = std::find_if(kDtypes.begin(), kDtypes.end(), [&](const DtypeRow& r) { return r.name == name; });
  if (row == kDtypes.end()) Damaged("tensor \"{}\": unknown dtype \"{}\"", tensor, name);
  return row->dtype;
}

std::vector<uint64_t> Naturals(const std::string& tensor, const char* key, const Json& json) {
  const auto is_natural = [](const Json& number) { return number.is_number_unsigned(); };
  if (!json.is_array() || !std::all_of(json.begin(), json.end(), is_natural))
    Damaged("tensor \"{}\": {} must be a list of whole numbers from 0, not {}", tensor, key, json.dump());
  return json.get<std::vector<uint64_t>>();
}

/// Nothing when the product does not fit.
std::optional<uint64_t> BytesOf(const std::vector<uint64_t>& shape, Dtype dtype) {
  uint64_t bytes = DtypeSize(dtype);
  for (const uint64_t size : shape)
    if (size > INT64_MAX || __builtin_mul_overflow(bytes, size, &bytes)) return std::nullopt;
  return bytes;
}

Entry ParseEntry(const std::string& name, const Json& json) {
  if (!json.is_object()) Damaged("tensor \"{}\" must be described by an object", name);
  for (const char* key : {"dtype", "shape", "data_offsets"})
    if (!json.contains(key)) Damaged("tensor \"{}\" has no {}", name, key);
  const auto shape = Naturals(name, "shape", json["shape"]);
  const auto offsets = Naturals(name, "data_offsets", json["data_offsets"]);
  Entry entry;
  entry.view = {name, DtypeOf(name, json["dtype"]), {shape.begin(), shape.end()}, {}};
  if (offsets.size() != 2 || offsets[0] > offsets[1] || BytesOf(shape, entry.view.dtype) != offsets[1] - offsets[0])
    Damaged("tensor \"{}\": data_offsets [{}] do not span {} [{}]", name, fmt::join(offsets, ", "),
            DtypeName(entry.view.dtype), fmt::join(shape, ", "));
  entry.begin = offsets[0];
  entry.end = offsets[1];
  return entry;
}

std::map<std::string, std::string> ParseMetadata(const Json& json) {
  if (!json.is_object()) Damaged("{} must be an object", kMetadataKey);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) Damaged("{}: \"{}\" must be a text", kMetadataKey, key);
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// Sorts by position and demands that the tensors tile the data exactly.
void CheckTiling(std::vector<Entry>& entries, uint64_t data_bytes) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t expected = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != expected)
      Damaged("tensor \"{}\" begins at byte {} of the data, {} the one before it ends at {}", entry.view.name,
              entry.begin, entry.begin < expected ? "but overlaps:" : "leaving a gap:", expected);
    expected = entry.end;
  }
  if (expected != data_bytes)
    Damaged("the tensors need {} bytes of data, the file holds {}: {}", expected, data_bytes,
            data_bytes < expected ? "it is truncated" : "something follows them");
}

// Writing.

/// Also refuses text that is not UTF-8, which JSON cannot hold.
std::string Quoted(const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    throw std::invalid_argument(fmt::format("not UTF-8: \"{}\"", text));
  }
}

std::string FormatMetadata(const std::map<std::string, std::string>& metadata) {
  std::string json = fmt::format("{{\"{}\":\"{:0>{}}\"", kChecksumKey, "", kChecksumDigits);
  for (const auto& [key, value] : metadata) {
    if (key == kChecksumKey) throw std::invalid_argument(fmt::format("metadata key \"{}\" is reserved", key));
    json += fmt::format(",{}:{}", Quoted(key), Quoted(value));
  }
  return json + "}";
}

void CheckTensor(const TensorView& tensor) {
  if (tensor.name == kMetadataKey) throw std::invalid_argument(fmt::format("tensor name {} is reserved", tensor.name));
  const bool negative = std::any_of(tensor.shape.begin(), tensor.shape.end(), [](int64_t size) { return size < 0; });
  const std::vector<uint64_t> shape(tensor.shape.begin(), tensor.shape.end());
  if (negative || BytesOf(shape, tensor.dtype) != tensor.bytes.size())
    throw std::invalid_argument(fmt::format("tensor \"{}\": {} bytes given for {} [{}]", tensor.name,
                                            tensor.bytes.size(), DtypeName(tensor.dtype),
                                            fmt::join(tensor.shape, ", ")));
}

}  // namespace

std::string_view DtypeName(Dtype dtype) { return RowOf(dtype).name; }
size_t DtypeSize(Dtype dtype) { return RowOf(dtype).size; }

SafetensorsHeader ParseSafetensorsHeader(std::string_view json, uint64_t data_bytes) {
  const Json root = ParseStrictly(json);
  if (!root.is_object()) Damaged("the header must be a JSON object");
  SafetensorsHeader header;
  for (const auto& [name, value] : root.items()) {
    if (name == kMetadataKey)
      header.metadata = ParseMetadata(value);
    else
      header.entries.push_back(ParseEntry(name, value));
  }
  CheckTiling(header.entries, data_bytes);
  return header;
}

std::string FormatSafetensorsHeader(const std::vector<TensorView>& tensors,
                                    const std::map<std::string, std::string>& metadata) {
  std::string json = fmt::format("{{\"{}\":{}", kMetadataKey, FormatMetadata(metadata));
  std::set<std::string_view> names;
  uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    CheckTensor(tensor);
    if (!names.insert(tensor.name).second)
      throw std::invalid_argument(fmt::format("two tensors are called \"{}\"", tensor.name));
    json += fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", Quoted(tensor.name),
                        DtypeName(tensor.dtype), fmt::join(tensor.shape, ","), offset, offset + tensor.bytes.size());
    offset += tensor.bytes.size();
  }
  json += "}";
  const size_t length_field = sizeof(uint64_t);
  while ((length_field + json.size()) % kAlignment != 0) json += ' ';
  return json;
}

std::optional<size_t> ChecksumPosition(std::string_view header) {
  const std::string start = fmt::format("{{\"{}\":{{\"{}\":\"", kMetadataKey, kChecksumKey);
  const size_t end = start.size() + kChecksumDigits;
  if (!header.starts_with(start) || header.size() <= end || header[end] != '"') return std::nullopt;
  return start.size();
}

}  // namespace lethe::configs
