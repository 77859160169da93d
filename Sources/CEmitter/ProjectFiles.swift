import Basics
import LoopIR

/// What a project holds beside the model's own code.
public struct ProjectContents: Sendable {
  /// The bytes of NAME.safetensors.
  public var weights: [UInt8]?
  /// The text of the recipe with which the native trainer trains; null for a project without one.
  public var recipe: String?
  /// Sources and headers of the runtime, for the native trainer. Paths are relative to the project's folder.
  public var runtime: [EmittedFile]
  /// How raw rows become inputs; null for a model of tensors.
  public var preprocessing: Preprocessing?

  /// A project for inference alone, unless a recipe is given.
  public init(
    weights: [UInt8]? = nil, recipe: String? = nil, runtime: [EmittedFile] = [], preprocessing: Preprocessing? = nil
  ) {
    self.weights = weights
    self.recipe = recipe
    self.runtime = runtime
    self.preprocessing = preprocessing
  }
}

/// Emits a program as a project to be built by whoever gets it: the code with `NAME_load`, weights, a usage example, Makefile and
/// CMakeLists.txt, the encoding of raw rows when there is a preprocessing, and a native trainer when there is a recipe.
public func emitProject(_ program: Program, options: EmitOptions = EmitOptions(), contents: ProjectContents) throws -> EmittedProject {
  var options = options
  options.load = true
  var project = try emitC(program, options: options)
  let model = try ModelText(program, options: options)
  let image = try contents.preprocessing.flatMap { all in try all.images.map { try ImageText(model, all, $0) } }
  let row = image == nil ? try contents.preprocessing.map { try RowText(model, $0) } : nil
  let build = BuildFiles(model: model, callsBLAS: project.callsBLAS, contents: contents)
  project.files += [EmittedFile("Makefile", build.makefile), EmittedFile("CMakeLists.txt", build.cmake)]
  if build.hasExample { project.files.append(EmittedFile("example.c", exampleText(model, row: row, image: image))) }
  if let row {
    project.files += [
      EmittedFile("\(model.name)_row.h", rowHeaderText(row)), EmittedFile("\(model.name)_row.c", rowSourceText(row)),
    ]
  }
  if let image {
    project.files += [EmittedFile("\(model.name)_image.h", image.header), EmittedFile("\(model.name)_image.c", image.source)]
  }
  if let weights = contents.weights { project.files.append(EmittedFile("\(model.name).safetensors", bytes: weights)) }
  if let recipe = contents.recipe {
    project.files.append(EmittedFile("trainer.c", trainerText(model, recipe)))
    project.files += contents.runtime
  }
  project.files.sort { $0.path < $1.path }
  return project
}

/// The text of Makefile and CMakeLists.txt. Names in them are C identifiers, paths are gradc's own.
private struct BuildFiles {
  let model: ModelText
  let callsBLAS: Bool
  let contents: ProjectContents

  var hasExample: Bool { model.program.entry("run") != nil }
  private var name: String { model.name }
  /// The source of the preprocessing, without its ending.
  private var encoder: String? { contents.preprocessing.map { $0.images == nil ? "\(name)_row" : "\(name)_image" } }
  /// The library's sources, without their endings.
  private var units: [String] { [name] + (encoder.map { [$0] } ?? []) }
  private var objects: String { units.map { $0 + ".o" }.joined(separator: " ") }
  private var runtimeSources: [String] { contents.runtime.map(\.path).filter { $0.hasSuffix(".c") }.sorted() }

  /// Whether the trainer reads images: the runtime's readers of image files are there, which need libraries.
  private var readsImages: Bool { contents.runtime.contains { $0.path.hasSuffix("/image_read.c") } }
  private var imageLibraries: [String] { readsImages ? ["png", "jpeg", "z"] : [] }
  private var runtimeDefinitions: [String] { ["_GNU_SOURCE"] + (readsImages ? ["GRADC_IMAGES"] : []) }

  private var includeFolders: [String] {
    Set(contents.runtime.map(\.path).filter { $0.hasSuffix(".h") }.map(folder)).sorted()
  }

  private func folder(_ path: String) -> String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "." }

  var makefile: String {
    let programs = (hasExample ? ["\(name)_example"] : []) + (contents.recipe == nil ? [] : ["\(name)_trainer"])
    var text = """
      # \(licence)
      CC ?= cc
      AR ?= ar
      # Compilers take half of the vector registers of many processors unless they are asked.
      WIDEST := $(if $(filter x86_64,$(shell uname -m)),-mprefer-vector-width=512)
      CFLAGS ?= -O3 -march=native $(WIDEST)
      LDLIBS ?=\(callsBLAS ? " -lopenblas" : "")
      # One meaning with every compiler: these stay whatever CFLAGS says.
      MEANING = -std=c11 -ffp-contract=off -fno-math-errno

      .PHONY: all clean
      all: \((["lib\(name).a"] + programs).joined(separator: " "))

      \(name).o: \(name).c \(name).h gradc_model.h
      \t$(CC) $(CFLAGS) $(MEANING) -c \(name).c -o \(name).o


      """
    if let encoder {
      text += "\(encoder).o: \(encoder).c \(encoder).h\n\t$(CC) $(CFLAGS) $(MEANING) -c \(encoder).c -o \(encoder).o\n\n"
    }
    text += "lib\(name).a: \(objects)\n\t$(AR) rcs lib\(name).a \(objects)\n\n"
    if hasExample {
      text +=
        "\(name)_example: example.c lib\(name).a\n\t$(CC) $(CFLAGS) $(MEANING) example.c lib\(name).a $(LDFLAGS) $(LDLIBS) -lm -o $@\n\n"
    }
    if contents.recipe != nil {
      let includes = includeFolders.map { "-I\($0)" }.joined(separator: " ")
      let definitions = runtimeDefinitions.map { "-D\($0)" }.joined(separator: " ")
      let libraries = (imageLibraries + ["m"]).map { "-l\($0)" }.joined(separator: " ")
      text += "RUNTIME = \(runtimeSources.joined(separator: " "))\n\n"
      text += "\(name)_trainer: trainer.c $(RUNTIME) lib\(name).a\n"
      text +=
        "\t$(CC) $(CFLAGS) $(MEANING) \(definitions) -I. \(includes) -pthread trainer.c $(RUNTIME) lib\(name).a $(LDFLAGS) $(LDLIBS) \(libraries) -o $@\n\n"
    }
    return text + "clean:\n\trm -f \((units.map { $0 + ".o" } + ["lib\(name).a"] + programs).joined(separator: " "))\n"
  }

  var cmake: String {
    var text = """
      # \(licence)
      cmake_minimum_required(VERSION 3.10)
      project(\(name) C)
      if(NOT CMAKE_BUILD_TYPE)
        set(CMAKE_BUILD_TYPE Release)
      endif()
      set(CMAKE_C_STANDARD 11)
      if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
        set(GRADC_WIDEST " -mprefer-vector-width=512")
      endif()
      set(GRADC_MACHINE "-march=native${GRADC_WIDEST}" CACHE STRING "Flags that choose the processor")
      set(GRADC_BLAS "\(callsBLAS ? "openblas" : "")" CACHE STRING "Libraries that have CBLAS")
      separate_arguments(GRADC_FLAGS UNIX_COMMAND "${GRADC_MACHINE}")
      # One meaning with every compiler.
      add_compile_options(-O3 ${GRADC_FLAGS} -ffp-contract=off -fno-math-errno)

      add_library(\(name)_library STATIC \(units.map { $0 + ".c" }.joined(separator: " ")))
      set_target_properties(\(name)_library PROPERTIES OUTPUT_NAME \(name))
      target_include_directories(\(name)_library PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
      target_link_libraries(\(name)_library PUBLIC ${GRADC_BLAS} m)

      """
    if hasExample {
      text += "\nadd_executable(\(name)_example example.c)\ntarget_link_libraries(\(name)_example \(name)_library)\n"
    }
    if contents.recipe != nil {
      text += "\nfind_package(Threads REQUIRED)\nadd_executable(\(name)_trainer trainer.c \(runtimeSources.joined(separator: " ")))\n"
      text += "target_compile_definitions(\(name)_trainer PRIVATE \(runtimeDefinitions.joined(separator: " ")))\n"
      text += "target_include_directories(\(name)_trainer PRIVATE \(includeFolders.joined(separator: " ")))\n"
      let libraries = (["\(name)_library"] + imageLibraries + ["Threads::Threads"]).joined(separator: " ")
      text += "target_link_libraries(\(name)_trainer \(libraries))\n"
    }
    return text
  }
}

/// trainer.c: the recipe and `main`.
private func trainerText(_ model: ModelText, _ recipe: String) -> String {
  var literals: [String] = []
  var line: [UInt8] = []
  for byte in recipe.utf8 {
    line.append(byte)
    if byte == UInt8(ascii: "\n") || line.count == 100 {
      literals.append("  " + stringLiteral(line))
      line = []
    }
  }
  if !line.isEmpty || literals.isEmpty { literals.append("  " + stringLiteral(line)) }
  return blockComment([
    "trainer.c: trains the model as the recipe says; needs nothing but the C library and what the model calls.", "", licence,
  ])
    + """
    #include "\(model.name).h"
    #include "gradc_train.h"

    #if defined(__GNUC__)
    #pragma GCC diagnostic ignored "-Woverlength-strings"
    #endif
    static const char recipe[] =
    \(literals.joined(separator: "\n"));

    int main(int argc, char **argv) {
      return gradc_trainer_main(&\(model.name)_model, recipe, argc, argv);
    }

    """
}
