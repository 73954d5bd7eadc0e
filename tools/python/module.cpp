// lethe._native: what the Python package (tools/python/lethe) is made of. Only the package uses it; docs/python.md
// tells what a user sees. Exceptions: std::invalid_argument becomes ValueError, std::out_of_range IndexError, others
// RuntimeError.

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "envs/plugin.h"
#include "envs/registry.h"
#include "tools/python/actions.h"
#include "tools/python/task.h"
#include "tools/python/vector_core.h"

namespace nb = nanobind;

namespace lethe::python {
namespace {

envs::Purpose PurposeOf(const std::string& name) {
  if (name == "train") return envs::Purpose::kTrain;
  if (name == "evaluate") return envs::Purpose::kEvaluate;
  if (name == "demonstrate") return envs::Purpose::kDemonstrate;
  throw std::invalid_argument(fmt::format("purpose is \"{}\"; allowed: train, evaluate or demonstrate", name));
}

void Construct(VectorCore* self, const std::string& id, int num_envs, int threads, uint64_t seed,
               const std::string& purpose, uint64_t first_index, bool same_step, const nb::dict& params) {
  const envs::Entry& entry = envs::Find(id);
  new (self) VectorCore(entry, *ParamsOf(entry, params),
                        {num_envs, threads, seed, PurposeOf(purpose), first_index, same_step});
}

void Reset(VectorCore& core) {
  const VectorCore::Use use(core);
  const nb::gil_scoped_release others_may_run;
  core.Reset();
}

void Reseed(VectorCore& core, uint64_t seed) {
  const VectorCore::Use use(core);
  const nb::gil_scoped_release others_may_run;
  core.Reseed(seed);
}

bool Step(VectorCore& core, nb::handle actions) {
  const VectorCore::Use use(core);
  TakeActions(core, actions);
  const nb::gil_scoped_release others_may_run;
  return core.Step();
}

// One environment steps faster than the lock changes hands.
bool StepOne(VectorCore& core, nb::handle action) {
  const VectorCore::Use use(core);
  TakeAction(core, action);
  return core.Step();
}

// An array over memory of the core, which it keeps alive.
template <class Shown, class T>
nb::ndarray<nb::numpy, Shown> Look(VectorCore& core, std::vector<T>& memory, std::vector<size_t> shape) {
  static_assert(sizeof(Shown) == sizeof(T));
  return nb::ndarray<nb::numpy, Shown>(memory.data(), shape.size(), shape.data(), nb::find(core));
}

template <class Shown, auto kMember>
auto LookAtRows(VectorCore& core) {
  return Look<Shown>(core, core.*kMember, {static_cast<size_t>(core.size())});
}

template <auto kMember>
auto LookAtTokens(VectorCore& core) {
  const auto tokens = static_cast<size_t>(core.num_tokens());
  return Look<uint8_t>(core, core.*kMember, {(core.*kMember).size() / tokens, tokens});
}

auto LookAtMetrics(VectorCore& core) {
  return Look<float>(core, core.metrics, {static_cast<size_t>(core.num_metrics()), static_cast<size_t>(core.size())});
}

void ResetRows(VectorCore& core, const nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>& mask) {
  if (mask.shape(0) != static_cast<size_t>(core.size()))
    throw std::invalid_argument(fmt::format("reset_mask has {} rows; wanted: {}", mask.shape(0), core.size()));
  core.ResetRows(reinterpret_cast<const uint8_t*>(mask.data()));
}

// (kind and colour of each cell as bytes, rows, columns, row and column of the agent or -1), or None.
nb::object PictureOf(VectorCore& core, int row) {
  const envs::Picture picture = core.MakePicture(row);
  if (picture.empty()) return nb::none();
  static_assert(sizeof(envs::Cell) == 2);
  const nb::bytes cells(picture.cells.data(), picture.cells.size() * sizeof(envs::Cell));
  return nb::make_tuple(cells, picture.rows, picture.columns, picture.agent_row, picture.agent_column);
}

nb::bytes Save(VectorCore& core) {
  const std::vector<std::byte> bytes = core.Save();
  return nb::bytes(bytes.data(), bytes.size());
}

void Restore(VectorCore& core, const nb::bytes& bytes) {
  core.Restore({static_cast<const std::byte*>(bytes.data()), bytes.size()});
}

nb::dict Describe(const std::string& id, const nb::dict& changes) {
  const envs::Entry& entry = envs::Find(id);
  const auto params = ParamsOf(entry, changes);
  return DescribeTask(entry, *params, entry.make_batch(*params, {})->spec());
}

}  // namespace

NB_MODULE(_native, module) {
  module.def("ids", &envs::Ids);
  module.def("describe", &Describe);
  module.def("load_plugin", &envs::LoadPlugin);

  nb::class_<VectorCore>(module, "VectorCore")
      .def("__init__", &Construct)
      .def("describe", [](VectorCore& core) { return DescribeTask(core.entry(), core.params(), core.spec()); })
      .def("reset", &Reset)
      .def("reseed", &Reseed)
      .def("reset_rows", &ResetRows)
      .def("step", &Step, nb::arg("actions").none())
      .def("step_one", &StepOne, nb::arg("action").none())
      .def("fill_oracle", &VectorCore::Oracle)
      .def("fill_memoryless", &VectorCore::Memoryless)
      .def("fill_cues", &VectorCore::Cues)
      .def("level", &VectorCore::Level)
      .def("load_level", &VectorCore::LoadLevel)
      .def("text", &VectorCore::Text)
      .def("picture", &PictureOf)
      .def("set_curriculum", &VectorCore::SetCurriculum)
      .def("save", &Save)
      .def("restore", &Restore)
      .def("close", &VectorCore::Close)
      .def("observations", &LookAtTokens<&VectorCore::observations>)
      .def("final_observations", &LookAtTokens<&VectorCore::final_observations>)
      .def("metrics", &LookAtMetrics)
      .def("rewards", &LookAtRows<float, &VectorCore::rewards>)
      .def("terminated", &LookAtRows<bool, &VectorCore::terminated>)
      .def("truncated", &LookAtRows<bool, &VectorCore::truncated>)
      .def("episode_start", &LookAtRows<bool, &VectorCore::episode_start>)
      .def("finished", &LookAtRows<bool, &VectorCore::finished>)
      .def("oracle", &LookAtRows<uint8_t, &VectorCore::oracle>)
      .def("memoryless", &LookAtRows<uint8_t, &VectorCore::memoryless>)
      .def("cues", &LookAtRows<bool, &VectorCore::cues>);
}

}  // namespace lethe::python
