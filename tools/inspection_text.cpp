#include "tools/inspection_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace lethe::tools {
namespace {

constexpr size_t kColumns = 80;

/// 0 for no span, 1 for the longest of the layer; by the logarithm, since spans range over decades.
std::vector<double> Shades(const std::vector<double>& spans) {
  const double longest = std::max(1.0, *std::max_element(spans.begin(), spans.end()));
  std::vector<double> shades;
  for (const double span : spans) shades.push_back(std::log1p(span) / std::log1p(longest));
  return shades;
}

/// One column for every byte: what cannot be printed is shown as a dot, the end of a line as a space.
char Printable(char c) { return c == '\n' || c == '\t' || c == ' ' ? ' ' : (c > ' ' && c < 127 ? c : '.'); }

std::set<int64_t> LivingSet(const agents::Inspection& inspection, const InspectionView& view) {
  if (view.at < 0) return {};
  const auto living = inspection.LivingAt(view.layer, view.at);
  return {living.begin(), living.end()};
}

/// Greys 232 .. 255 of the 256 colours, black or white letters on them.
std::string Coloured(char c, double shade, bool lives, bool is_point) {
  const int grey = 232 + static_cast<int>(std::lround(shade * 23));
  const char* mark = is_point ? ";7" : (lives ? ";4" : "");
  return fmt::format("\x1b[48;5;{};38;5;{}{}m{}\x1b[0m", grey, grey > 244 ? 16 : 231, mark, c);
}

std::string ColouredText(const agents::Inspection& inspection, const InspectionView& view) {
  const auto shades = Shades(inspection.spans[view.layer]);
  const auto living = LivingSet(inspection, view);
  std::string text;
  for (size_t i = 0; i < inspection.text.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    text += Coloured(Printable(inspection.text[i]), shades[i], living.contains(at), at == view.at);
    if ((i + 1) % kColumns == 0 || i + 1 == inspection.text.size()) text += '\n';
  }
  return text;
}

std::string PlainText(const agents::Inspection& inspection, const InspectionView& view) {
  const auto shades = Shades(inspection.spans[view.layer]);
  const auto living = LivingSet(inspection, view);
  std::string text;
  for (size_t from = 0; from < inspection.text.size(); from += kColumns) {
    const size_t to = std::min(inspection.text.size(), from + kColumns);
    std::string letters, digits, marks;
    for (size_t i = from; i < to; ++i) {
      letters += Printable(inspection.text[i]);
      digits += static_cast<char>('0' + std::min(9, static_cast<int>(shades[i] * 10)));
      marks += static_cast<int64_t>(i) == view.at ? '@' : (living.contains(static_cast<int64_t>(i)) ? '^' : ' ');
    }
    text += letters + '\n' + digits + '\n';
    if (view.at >= 0) text += marks.substr(0, marks.find_last_not_of(' ') + 1) + '\n';
  }
  return text;
}

double Mean(const std::vector<double>& values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::string LayerTable(const agents::Inspection& inspection, const InspectionView& view) {
  std::string text = fmt::format("{:<9}{:>10}{:>8}{:>12}{:>12}\n", "", "living", "most", "mean span", "longest");
  for (size_t l = 0; l < inspection.spans.size(); ++l) {
    const auto& spans = inspection.spans[l];
    text += fmt::format("layer {:<3}{:>10.1f}{:>8}{:>12.1f}{:>12.1f}{}\n", l + 1, inspection.living[l],
                        inspection.living_max[l], Mean(spans), *std::max_element(spans.begin(), spans.end()),
                        l == view.layer ? "  shown" : "");
  }
  return text;
}

std::string PointText(const agents::Inspection& inspection, const InspectionView& view) {
  if (view.at < 0) return "";
  std::string text = fmt::format("\nat byte {} `{}` live of {} earlier bytes:\n", view.at,
                                 Printable(inspection.text[static_cast<size_t>(view.at)]), view.at);
  for (size_t l = 0; l < inspection.spans.size(); ++l) {
    const auto living = inspection.LivingAt(l, view.at);
    std::string letters;
    for (const int64_t i : living) letters += Printable(inspection.text[static_cast<size_t>(i)]);
    if (letters.size() > 60) letters = "..." + letters.substr(letters.size() - 57);
    text += fmt::format("  layer {:<3}{:>6}  {}\n", l + 1, living.size(), letters);
  }
  return text;
}

std::string Escaped(char c) {
  if (c == '<') return "&lt;";
  if (c == '>') return "&gt;";
  if (c == '&') return "&amp;";
  if (c == '"') return "&quot;";
  if (c == '\n') return "&#8629;\n";
  return {1, Printable(c)};
}

std::string HtmlLayer(const agents::Inspection& inspection, size_t layer, const InspectionView& view) {
  const auto shades = Shades(inspection.spans[layer]);
  const auto living = LivingSet(inspection, {layer, view.at, false});
  std::string html = fmt::format("<h2>Layer {}: {:.1f} living memories on average, {} at most</h2>\n<pre>", layer + 1,
                                 inspection.living[layer], inspection.living_max[layer]);
  for (size_t i = 0; i < inspection.text.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const std::string bits = i > 0 ? fmt::format(", {:.2f} bits", inspection.bits[i - 1]) : "";
    html +=
        fmt::format("<span{} style=\"background:rgba(255,140,0,{:.2f})\" title=\"byte {}, span {:.1f}{}\">{}</span>",
                    at == view.at ? " class=\"point\"" : (living.contains(at) ? " class=\"lives\"" : ""), shades[i], i,
                    inspection.spans[layer][i], bits, Escaped(inspection.text[i]));
  }
  return html + "</pre>\n";
}

}  // namespace

std::string FormatInspection(const agents::Inspection& inspection, const InspectionView& view) {
  const std::string text = view.colours ? ColouredText(inspection, view) : PlainText(inspection, view);
  const std::string bits = inspection.bits.empty() ? "" : fmt::format("; {:.3f} bits per byte", Mean(inspection.bits));
  return fmt::format("{}\n{} bytes{}\n{}{}", text, inspection.text.size(), bits, LayerTable(inspection, view),
                     PointText(inspection, view));
}

std::string InspectionHtml(const agents::Inspection& inspection, const InspectionView& view) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>What is remembered, and for how "
      "long</title>\n"
      "<style>body{font-family:sans-serif;margin:2em}pre{white-space:pre-wrap;line-height:1.5;font-size:1rem}"
      ".lives{text-decoration:underline}.point{outline:2px solid black}</style></head>\n<body>\n"
      "<p>The stronger the colour, the longer a character is remembered (by the logarithm of its span). Underlined: "
      "still "
      "remembered at the marked point.</p>\n";
  for (size_t l = 0; l < inspection.spans.size(); ++l) html += HtmlLayer(inspection, l, view);
  return html + "</body></html>\n";
}

}  // namespace lethe::tools
