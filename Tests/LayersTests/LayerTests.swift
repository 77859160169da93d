import Basics
import GraphIR
import Layers
import LoopIR
import Training
import XCTest

final class LayerTests: XCTestCase {
  private func builder(_ mode: Mode = .inference) -> ModelBuilder {
    ModelBuilder(name: "run", mode: mode, element: .f64, symbols: [Symbol(name: "n", maximum: 8)])
  }

  private func count(_ inputs: Int, _ build: (inout ModelBuilder, ValueID) throws -> ValueID) throws -> Int {
    var b = builder()
    _ = try build(&b, b.input("x", dims: [inputs]))
    return b.parameters.reduce(0) { $0 + $1.count }
  }

  func testParameterCounts() throws {
    XCTAssertEqual(try count(29) { try $0.sigmoid($0.dense($0.relu($0.dense($1, units: 16)), units: 1)) }, 497)
    XCTAssertEqual(
      try count(5) { try $0.softmax($0.dense($0.relu($0.dense($0.relu($0.dense($1, units: 8)), units: 4)), units: 2)) }, 94)
    XCTAssertEqual(try count(3) { try $0.dense($1, units: 1) }, 4)
    XCTAssertEqual(try count(2) { try $0.dense($1, units: 2) }, 6)
    XCTAssertEqual(try count(2) { try $0.dense($1, units: 2, bias: false) }, 4)
    XCTAssertEqual(try count(11) { try $0.dense($0.dense($0.dense($1, units: 64), units: 32), units: 1) }, 2881)
  }

  func testNamesShapesAndDecay() throws {
    var b = builder()
    let x = try b.input("x", dims: [4])
    let y = try b.dense(b.dense(x, units: 3), units: 2, name: "head")
    let z = try b.prelu(b.layerNorm(b.batchNorm(y)))
    XCTAssertEqual(b.type(z).description, "f64[N, 2]")
    XCTAssertEqual(
      b.parameters.map { "\($0.name)\($0.shape)\($0.decays ? " decays" : "")\($0.isState ? " state" : "")" },
      [
        "dense1.weight[4, 3] decays", "dense1.bias[3]", "head.weight[3, 2] decays", "head.bias[2]", "batch_norm1.gamma[2]",
        "batch_norm1.beta[2]", "batch_norm1.running_mean[2] state", "batch_norm1.running_var[2] state",
        "layer_norm1.gamma[2]", "layer_norm1.beta[2]", "prelu1.alpha[1]",
      ])
    XCTAssertEqual(b.initializers["dense1.weight"], .xavierUniform)
    XCTAssertEqual(b.initializers["dense1.bias"], .zeros)
  }

  func testDenseWorksOnTheLastAxisOfAnyRank() throws {
    var b = builder()
    XCTAssertEqual(try b.typeName { try $0.dense($0.input("x", dims: [5, 4]), units: 3) }, "f64[N, 5, 3]")
  }

  func testASharedLayerHasOneSetOfParametersAndMustFit() throws {
    var b = builder()
    let x = try b.input("x", dims: [4])
    _ = try b.add([b.dense(x, units: 3, l2: 0.1, name: "shared"), b.dense(x, units: 3, l2: 0.1, name: "shared")])
    XCTAssertEqual(b.parameters.count, 2)
    XCTAssertEqual(b.penalties.count, 1)
    XCTAssertThrowsError(try b.dense(x, units: 5, name: "shared")) {
      XCTAssertEqual(
        ($0 as? Diagnostic)?.message,
        "layer 'shared' is used again with weight of shape [4, 5], but its first use gave it shape [4, 3]")
    }
  }

  func testReshapeAndFlatten() throws {
    var b = builder()
    let x = try b.input("x", dims: [4, 6])
    XCTAssertEqual(try b.typeName { try $0.flatten(x) }, "f64[N, 24]")
    XCTAssertEqual(try b.typeName { try $0.reshape(x, dims: [3, -1, 2]) }, "f64[N, 3, 4, 2]")
    for dims in [[5, -1], [-1, -1], [0, -1], [24, 2], [Int.max, 2], []] {
      XCTAssertThrowsError(try b.reshape(x, dims: dims), "\(dims)") { XCTAssert($0 is Diagnostic) }
    }
  }

  func testBranches() throws {
    var b = builder()
    let x = try b.input("x", dims: [4]), y = try b.input("y", dims: [6])
    XCTAssertEqual(try b.typeName { try $0.concat([x, y]) }, "f64[N, 10]")
    XCTAssertEqual(try b.typeName { try $0.multiply([x, x, x]) }, "f64[N, 4]")
    XCTAssertThrowsError(try b.add([x, y])) {
      XCTAssertEqual(($0 as? Diagnostic)?.message, "layer 'add1': shapes [N, 4] and [N, 6] do not fit")
    }
    XCTAssertThrowsError(try b.concat([x, y], axis: 0)) { XCTAssert($0 is Diagnostic) }
  }

  func testBadAttributesAreErrors() throws {
    var b = builder()
    let x = try b.input("x", dims: [4])
    XCTAssertThrowsError(try b.dense(x, units: 0)) { XCTAssert($0 is Diagnostic) }
    XCTAssertThrowsError(try b.dense(x, units: 1 << 62)) { XCTAssert($0 is Diagnostic) }
    XCTAssertThrowsError(try b.dense(x, units: 2, l1: -1)) { XCTAssert($0 is Diagnostic) }
    XCTAssertThrowsError(try b.dropout(x, rate: 1)) { XCTAssert($0 is Diagnostic) }
    XCTAssertThrowsError(try b.dropout(x, rate: .nan)) { XCTAssert($0 is Diagnostic) }
    XCTAssertThrowsError(try b.batchNorm(x, momentum: 1.5)) { XCTAssert($0 is Diagnostic) }
    XCTAssertThrowsError(try b.layerNorm(x, epsilon: 0)) { XCTAssert($0 is Diagnostic) }
  }

  func testReluIsRemembered() throws {
    var b = builder()
    _ = try b.dense(b.input("x", dims: [4]), units: 3, activation: .relu)
    XCTAssertEqual(b.activations.map(\.path), ["dense1"])
  }

  // MARK: - The catalog

  /// With images for layers that want axes, and small numbers for what must be given.
  func testEveryEntryAppliesByName() throws {
    let onImages = [
      "conv", "pool", "pad", "norm", "upsample", "to_", "depthwise", "lrn", "channel",
    ]
    let onVectors = [
      "simple_rnn", "lstm", "gru", "positional_embedding", "multi_head_attention", "transformer_encoder", "transformer_decoder",
    ]
    let onTokens = ["embedding", "padding_mask"]
    // A table that was used before is what `unembed` needs: it has a test of its own.
    for entry in LayerCatalog.entries where entry.name != "unembed" {
      let isSequence = entry.name.hasSuffix("1d")
      let isImage = onImages.contains { entry.name.contains($0) }
      var required: [LabelledArgument] = []
      for parameter in entry.parameters where !parameter.isOptional {
        switch parameter.kind {
        case .integer, .sizes: required.append(LabelledArgument(.integer(2), label: parameter.name))
        case .integers: required.append(LabelledArgument(.list([.integer(2), .integer(-1)]), label: parameter.name))
        default: break
        }
      }
      for name in [entry.name] + entry.aliases {
        var b = builder(.training)
        let x =
          onTokens.contains(entry.name)
          ? try b.input("x", dims: [5], element: .i32)
          : try b.input("x", dims: onVectors.contains(entry.name) ? [5, 4] : isSequence ? [32, 6] : isImage ? [32, 6, 4] : [6])
        XCTAssertTrue(try b.typeName { try $0.apply(layer: name, [LabelledArgument(.value(x))] + required) }.hasPrefix("f64[N, "), name)
      }
    }
  }

  func testArgumentsAreBoundAndChecked() throws {
    var b = builder()
    let x = LabelledArgument(.value(try b.input("x", dims: [4])))
    _ = try b.apply(
      layer: "dense",
      [
        x, LabelledArgument(.integer(3)), LabelledArgument(.bool(false), label: "bias"),
        LabelledArgument(.word("swish"), label: "activation"),
        LabelledArgument(.call("normal", [LabelledArgument(.number(0.5), label: "deviation")]), label: "initializer"),
      ], name: "d")
    XCTAssertEqual(b.parameters.map(\.name), ["d.weight"])
    XCTAssertEqual(b.initializers["d.weight"], .normal(mean: 0, deviation: 0.5))
    let failures: [(String, [LabelledArgument], String)] = [
      ("dens", [], "unknown layer 'dens'; did you mean 'dense'?"),
      ("dense", [x], "'dense' needs 'units': size of the result's last axis"),
      ("dense", [x, LabelledArgument(.number(1.5))], "argument 'units' of 'dense' must be a whole number, got 1.5"),
      (
        "dense", [x, LabelledArgument(.integer(3)), LabelledArgument(.bool(true), label: "bais")],
        "'dense' has no argument 'bais'; did you mean 'bias'?"
      ),
      ("flatten", [x, LabelledArgument(.integer(3))], "too many arguments for 'flatten': it takes 1 (x)"),
      (
        "dropout", [x, LabelledArgument(.number(0.1)), LabelledArgument(.number(0.1), label: "rate")],
        "too many arguments for 'dropout': it takes 2 (x, rate)"
      ),
    ]
    for (layer, arguments, message) in failures {
      XCTAssertThrowsError(try b.apply(layer: layer, arguments), layer) { XCTAssertEqual(($0 as? Diagnostic)?.message, message) }
    }
  }
}

extension ModelBuilder {
  fileprivate mutating func typeName(_ build: (inout ModelBuilder) throws -> ValueID) rethrows -> String {
    let value = try build(&self)
    return type(value).description
  }
}
