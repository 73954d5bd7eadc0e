#include "tools/python/actions.h"

#include <bit>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace lethe::python {
namespace {

namespace nb = nanobind;

/// A Py_buffer that is given back.
class Buffer {
 public:
  /// Not filled if the object has none.
  explicit Buffer(nb::handle object) {
    if (!PyObject_CheckBuffer(object.ptr())) return;
    filled_ = PyObject_GetBuffer(object.ptr(), &view_, PyBUF_RECORDS_RO) == 0;
    if (!filled_) PyErr_Clear();
  }
  ~Buffer() {
    if (filled_) PyBuffer_Release(&view_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  explicit operator bool() const { return filled_; }
  const Py_buffer& operator*() const { return view_; }

 private:
  Py_buffer view_{};
  bool filled_ = false;
};

std::string ShapeText(const Py_buffer& view) {
  std::string text = "(";
  for (int i = 0; i < view.ndim; ++i) text += fmt::format("{}{}", view.shape[i], view.ndim == 1 || i == 0 ? "," : "");
  return text + ")";
}

[[noreturn]] void ThrowOutside(const VectorCore& core, int row, const std::string& action) {
  throw std::invalid_argument(
      fmt::format("action of row {} is {}; allowed: 0..{}", row, action, core.spec().num_actions - 1));
}

template <class T>
T ValueAt(const char* from, Py_ssize_t stride, int row) {
  T value;
  std::memcpy(&value, from + row * stride, sizeof value);
  return value;
}

template <class T>
bool NarrowAll(const char* from, Py_ssize_t stride, uint8_t* to, int count) {
  bool fit = true;
  for (int row = 0; row < count; ++row) {
    const T value = ValueAt<T>(from, stride, row);
    to[row] = static_cast<uint8_t>(value);
    fit &= std::cmp_equal(to[row], value);
  }
  return fit;
}

template <class T>
void Narrow(VectorCore& core, const Py_buffer& view) {
  const auto* from = static_cast<const char*>(view.buf);
  const Py_ssize_t stride = view.strides ? view.strides[0] : view.itemsize;  // ctypes gives none
  uint8_t* to = core.actions.data();
  const bool packed = stride == sizeof(T);  // and known to the compiler, which vectorises it
  if (packed ? NarrowAll<T>(from, sizeof(T), to, core.size()) : NarrowAll<T>(from, stride, to, core.size())) return;
  for (int row = 0; row < core.size(); ++row) {
    const T value = ValueAt<T>(from, stride, row);
    if (std::cmp_equal(to[row], value)) continue;
    if (!core.IgnoresAction(row)) ThrowOutside(core, row, std::to_string(value));
    to[row] = 0;
  }
}

// How many bytes a letter means depends on the byte order in front of it, and not all who write formats know: the size
// of the items decides, so that nothing is read beyond them.
template <class T8, class T16, class T32, class T64>
void NarrowBySize(VectorCore& core, const Py_buffer& view) {
  switch (view.itemsize) {
    case 1:
      return Narrow<T8>(core, view);
    case 2:
      return Narrow<T16>(core, view);
    case 4:
      return Narrow<T32>(core, view);
    case 8:
      return Narrow<T64>(core, view);
    default:
      throw std::invalid_argument(fmt::format("actions have {} bytes each; allowed: 1, 2, 4, 8", view.itemsize));
  }
}

// The letter of a struct format of one number in the byte order of the machine; 0 for others.
char LetterOf(const char* format) {
  const char order = std::endian::native == std::endian::little ? '<' : '>';
  if (*format == '@' || *format == '=' || *format == order) ++format;
  return format[0] != 0 && format[1] == 0 ? format[0] : '\0';
}

bool IsOneOf(char letter, std::string_view letters) { return letters.find(letter) != std::string_view::npos; }

std::string TypeText(const char* format) {
  switch (LetterOf(format)) {
    case '?':
      return "bool";
    case 'e':
      return "float16";
    case 'f':
      return "float32";
    case 'd':
      return "float64";
    case 'O':
      return "objects";
    default:
      return fmt::format("of the struct format '{}'", format);
  }
}

void Take(VectorCore& core, const Py_buffer& view) {
  if (view.ndim != 1 || view.shape[0] != core.size())
    throw std::invalid_argument(fmt::format("actions have shape {}; wanted: ({},)", ShapeText(view), core.size()));
  const char letter = LetterOf(view.format);
  if (IsOneOf(letter, "BHILQN")) return NarrowBySize<uint8_t, uint16_t, uint32_t, uint64_t>(core, view);
  if (IsOneOf(letter, "bhilqn")) return NarrowBySize<int8_t, int16_t, int32_t, int64_t>(core, view);
  const std::string text = fmt::format("actions are {}; wanted: integers, best uint8", TypeText(view.format));
  throw nb::type_error(text.c_str());
}

}  // namespace

void TakeActions(VectorCore& core, nb::handle actions) {
  if (const Buffer buffer(actions); buffer) return Take(core, *buffer);
  const nb::object array = nb::module_::import_("numpy").attr("asarray")(actions);
  const Buffer buffer(array);
  if (!buffer) throw nb::type_error("actions are no array; wanted: integers, best uint8");
  Take(core, *buffer);
}

void TakeAction(VectorCore& core, nb::handle action) {
  const nb::object integer = nb::steal(PyNumber_Index(action.ptr()));
  if (!integer.is_valid()) {
    PyErr_Clear();
    const std::string text = fmt::format("action is {}; wanted: an integer", nb::repr(action).c_str());
    throw nb::type_error(text.c_str());
  }
  int overflow = 0;
  const int64_t value = PyLong_AsLongLongAndOverflow(integer.ptr(), &overflow);
  if (overflow != 0 || value < 0 || value >= core.spec().num_actions) ThrowOutside(core, 0, nb::str(integer).c_str());
  core.actions[0] = static_cast<uint8_t>(value);
}

}  // namespace lethe::python
