#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace lethe::configs {

/// Offset of the first byte that does not belong to well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates,
/// nothing above U+10FFFF); empty if all is well.
std::optional<size_t> FindInvalidUtf8(std::string_view text);

/// Number of characters (code points) in well-formed UTF-8.
size_t CountCharacters(std::string_view text);

}  // namespace lethe::configs
