// swift-tools-version: 6.0
import Foundation
import PackageDescription

/// Swift targets, in the order of the pipeline, with the modules that each may import. A test holds the sources against this table.
let modules: [(name: String, dependencies: [String])] = [
  ("Basics", []),
  ("LoopIR", ["Basics"]),
  ("GraphIR", ["Basics", "LoopIR"]),
  ("Operators", ["Basics", "LoopIR", "GraphIR"]),
  ("Layers", ["Basics", "LoopIR", "GraphIR", "Operators"]),
  ("Differentiation", ["Basics", "GraphIR"]),
  ("Optimizers", ["Basics", "LoopIR", "GraphIR", "Operators"]),
  ("Training", ["Basics", "LoopIR", "GraphIR", "Operators", "Layers", "Differentiation", "Optimizers"]),
  ("Lowering", ["Basics", "LoopIR", "GraphIR"]),
  ("CEmitter", ["Basics", "LoopIR", "CResources"]),
  ("Toolchain", ["Basics", "CRuntime", "CTCC"]),
  ("ModelLanguage", ["Basics", "LoopIR", "GraphIR", "Operators", "Layers", "Optimizers"]),
  ("ONNX", ["Basics", "LoopIR", "GraphIR", "Operators", "Layers", "Differentiation", "Lowering"]),
  (
    "Gradc",
    [
      "Basics", "LoopIR", "GraphIR", "Operators", "Layers", "Differentiation", "Optimizers", "Training", "Lowering", "CEmitter",
      "Toolchain", "ModelLanguage", "ONNX", "CRuntime",
    ]
  ),
]

let swiftSettings: [SwiftSetting] = [.swiftLanguageMode(.v5)]

/// Each folder `Tests/NAMETests` is a test target.
let testModules = try FileManager.default.contentsOfDirectory(atPath: Context.packageDirectory + "/Tests")
  .filter { $0.hasSuffix("Tests") }.map { String($0.dropLast(5)) }.sorted()

let package = Package(
  name: "gradc",
  products: [
    .library(name: "Gradc", targets: ["Gradc"]),
    .executable(name: "gradc", targets: ["GradcCommand"]),
  ],
  targets: modules.map { module in
    .target(
      name: module.name, dependencies: module.dependencies.map { .init(stringLiteral: $0) }, swiftSettings: swiftSettings,
      // The interpreter's arithmetic: sqrt, fma and rounding come from libm.
      linkerSettings: module.name == "LoopIR" ? [.linkedLibrary("m")] : [])
  } + [
    .executableTarget(
      name: "GradcCommand",
      dependencies: (["Gradc", "CRuntime", "CResources"] + modules.map(\.name).filter { $0 != "Gradc" }).map { .init(stringLiteral: $0) },
      swiftSettings: swiftSettings),
    // gradc as a peer of `Benchmarks/run`.
    .executableTarget(
      name: "gradc-bench",
      dependencies: [
        "Basics", "LoopIR", "GraphIR", "Operators", "Differentiation", "Training", "Lowering", "CEmitter", "ModelLanguage", "Toolchain",
        "Gradc", "CRuntime",
      ],
      path: "Benchmarks/GradcBench", swiftSettings: swiftSettings),
    .target(
      name: "CRuntime", path: "Runtime",
      cSettings: [
        .define("_GNU_SOURCE"), .define("GRADC_IMAGES"),
        .unsafeFlags(["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-ffp-contract=off"]),
      ],
      linkerSettings: ["m", "pthread", "dl", "png", "jpeg", "z"].map { .linkedLibrary($0) }),
    // Models and scenarios in C for RuntimeTests: signals and killed processes are out of Swift's reach.
    .target(
      name: "CTestModels", dependencies: ["CRuntime"], path: "Tests/Support/CTestModels",
      cSettings: [
        .define("_GNU_SOURCE"), .unsafeFlags(["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-ffp-contract=off"]),
      ]),
    // The runtime's sources as data, for native trainers. `#embed` is C23; the toolchain's clang has it.
    .target(name: "CResources", cSettings: [.unsafeFlags(["-Wno-c23-extensions"])]),
    // Evaluators and machines that several test targets share.
    .target(
      name: "TestSupport", dependencies: modules.filter { $0.name != "Gradc" }.map { .init(stringLiteral: $0.name) } + ["CRuntime"],
      path: "Tests/Support/TestSupport", swiftSettings: swiftSettings),
    .systemLibrary(name: "CTCC", path: "Sources/CTCC", providers: [.apt(["libtcc-dev"])]),
  ]
    + testModules.map { name -> Target in
      .testTarget(
        name: "\(name)Tests",
        dependencies: name == "Runtime"
          ? ["CRuntime", "CTestModels"]
          : (name == "Command" ? ["GradcCommand", "CResources"] : []).map { .init(stringLiteral: $0) }
            + modules.map { .init(stringLiteral: $0.name) } + ["CRuntime", "TestSupport"],
        // What tests read by its path.
        exclude: ["Golden", "references"].filter {
          FileManager.default.fileExists(atPath: Context.packageDirectory + "/Tests/\(name)Tests/\($0)")
        },
        swiftSettings: swiftSettings)
    }
)
