#include "tools/python/task.h"

#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace lethe::python {
namespace {

namespace nb = nanobind;
using envs::Json;

Json JsonOf(const std::string& name, nb::handle value) {
  if (nb::isinstance<nb::bool_>(value)) return nb::cast<bool>(value);
  if (nb::isinstance<nb::str>(value)) return nb::cast<std::string>(value);
  if (nb::isinstance<nb::float_>(value)) return nb::cast<double>(value);
  if (PyIndex_Check(value.ptr())) {
    int overflow = 0;
    const nb::object integer = nb::steal(PyNumber_Index(value.ptr()));
    if (!integer.is_valid()) nb::raise_python_error();
    const int64_t number = PyLong_AsLongLongAndOverflow(integer.ptr(), &overflow);
    if (overflow == 0) return number;
  } else if (nb::hasattr(value, "item")) {  // a number of NumPy
    return JsonOf(name, value.attr("item")());
  }
  throw std::invalid_argument(fmt::format("{} is {}; allowed: true or false, an integer of 64 bits, a number or text",
                                          name, nb::repr(value).c_str()));
}

nb::object ObjectOf(const Json& value) {
  if (value.is_boolean()) return nb::bool_(value.get<bool>());
  if (value.is_number_integer()) return nb::int_(value.get<int64_t>());
  if (value.is_number()) return nb::float_(value.get<double>());
  return nb::cast(value.get<std::string>());
}

/// Collects {name: {value, allowed, meaning}}.
struct DescribeParams {
  nb::dict all;

  template <class T, class Allowed>
  void operator()(const char* name, T& value, const Allowed& allowed, const char* meaning) {
    nb::dict one;
    one["value"] = ObjectOf(Json(value));
    one["allowed"] = nb::cast(AllowedText(allowed));
    one["meaning"] = nb::str(meaning);
    all[name] = one;
  }

  static std::string AllowedText(const configs::Any&) { return "true or false"; }
  template <class Allowed>
  static std::string AllowedText(const Allowed& allowed) {
    return configs::Describe(allowed);
  }
};

}  // namespace

std::unique_ptr<envs::Params> ParamsOf(const envs::Entry& entry, const nb::dict& changes) {
  auto params = entry.make_params();
  for (const auto& [key, value] : changes) {
    const auto name = nb::cast<std::string>(key);
    params->Set(name, JsonOf(name, value));
  }
  return params;
}

nb::dict DescribeTask(const envs::Entry& entry, const envs::Params& params, const envs::Spec& spec) {
  nb::dict task;
  task["id"] = entry.id;
  task["family"] = entry.family;
  task["version"] = entry.version;
  task["rules"] = entry.rules;
  nb::list tokens;
  for (const envs::TokenSpec& token : spec.tokens) tokens.append(nb::make_tuple(token.meaning, token.vocabulary));
  task["tokens"] = tokens;
  task["actions"] = spec.action_names;
  task["metrics"] = spec.metric_names;
  task["score_metric"] = spec.score_metric;
  task["oracle_score"] = entry.scores.oracle;
  task["memoryless_score"] = entry.scores.memoryless;
  task["random_score"] = entry.scores.random;
  task["horizon"] = entry.horizon;
  task["curriculum"] =
      spec.curriculum_parameter.empty()
          ? nb::object(nb::none())
          : nb::object(nb::make_tuple(spec.curriculum_parameter, static_cast<int64_t>(spec.curriculum_min),
                                      static_cast<int64_t>(spec.curriculum_max)));
  DescribeParams describe;
  params.Clone()->Visit(describe);
  task["params"] = describe.all;
  return task;
}

}  // namespace lethe::python
