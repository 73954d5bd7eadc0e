#pragma once

#include <string>

#include "agents/inspection.h"

namespace lethe::tools {

/// What of an inspection is shown.
struct InspectionView {
  size_t layer = 0;  ///< whose spans shade the text
  int64_t at = -1;   ///< a byte: what still lives there is marked; -1: none
  bool colours = false;
};

/// For a terminal, at most 80 columns. With colours a character's background is its span (dark 0, bright the longest,
/// by the logarithm); without, a row of digits 0 to 9 stands under every row of text, on the same scale. Where `at` is
/// given, memories that live there are underlined, or marked with ^.
std::string FormatInspection(const agents::Inspection& inspection, const InspectionView& view);

/// A page of its own, without scripts or other files: the text of every layer, shaded; span and bits on hover.
std::string InspectionHtml(const agents::Inspection& inspection, const InspectionView& view);

}  // namespace lethe::tools
