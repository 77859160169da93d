import Basics
import ModelLanguage
import Testing

@Suite struct ModelTests {
  @Test func theExamplesAreUnderstood() throws {
    let counts = ["heart": 497, "churn": 2881, "breast_cancer": 513, "digits": 64 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10]
    for name in exampleNames {
      let (result, text) = ModelFile.read(path: "\(examples)/\(name)/\(name).gradc")
      switch result {
      case .success(let file):
        #expect(file.name == name)
        #expect(file.hasData && file.hasTraining && !file.training.losses.isEmpty)
        let count = try built(file).parameters.filter { !$0.isState }.reduce(0) { $0 + $1.count }
        if let expected = counts[name] { #expect(count == expected, "\(name)") }
      case .failure(let errors): Issue.record("\(name):\n\(errors.rendered(source: text))")
      }
    }
  }

  @Test func pipesCallsAndNamesGiveTheSameLayers() throws {
    let piped = try parameters(model("y = x |> dense(8) |> relu |> dense(2)"))
    #expect(piped == ["dense1.weight [4, 8]", "dense1.bias [8]", "dense2.weight [8, 2]", "dense2.bias [2]"])
    #expect(try parameters(model("h = relu(dense(x, 8))", "y = dense(h, units: 2)")) == piped)
    #expect(try parameters(model("let h = dense(x, 4 * 2)", "y = h", "  |> relu", "  |> dense(6 / 3)")) == piped)
    #expect(try parameters(model("y = x |> dense(width) |> relu |> dense(2)", before: "let width = 8\n")) == piped)
  }

  @Test func aLayerIsNamedAndShared() throws {
    #expect(try parameters(model("y = x |> dense(8, name: \"fc1\", bias: false)")) == ["fc1.weight [4, 8]"])
    let shared = """
      model twins {
        input left: f32[N, 4]
        input right: f32[N, 4]
        encoder = layer dense(3)
        a = left |> encoder |> relu
        b = encoder(right)
        output y = concat(a, b) |> dense(1)
        output a, b
      }
      """
    #expect(try parameters(shared) == ["encoder.weight [4, 3]", "encoder.bias [3]", "dense1.weight [6, 1]", "dense1.bias [1]"])
    #expect(try ModelFile(text: shared, file: "m.gradc").outputs == ["y", "a", "b"])
    #expect(try ModelFile(text: shared, file: "m.gradc").inputs.map(\.name) == ["left", "right"])
  }

  @Test func usersLayersHaveParametersDefaultsAndPathsOfTheirOwn() throws {
    let block = """
      layer block(x, units, act: relu, bias: false) {
        h = x |> dense(units, bias: bias)
        return h |> act
      }

      """
    #expect(
      try parameters(model("y = x |> block(8) |> block(2, act: tanh, bias: true)", before: block)) == [
        "block1.dense1.weight [4, 8]", "block2.dense1.weight [8, 2]", "block2.dense1.bias [2]",
      ])
    // A shared layer of users' layers finds the same tensors at its second use.
    let residual = "layer two(x) { return x |> dense(4) |> relu |> dense(4) }\n"
    #expect(
      try parameters(model("body = layer two()", "y = body(body(x) + x)", before: residual)) == [
        "body.dense1.weight [4, 4]", "body.dense1.bias [4]", "body.dense2.weight [4, 4]", "body.dense2.bias [4]",
      ])
  }

  @Test func arithmeticOnValuesAndNumbers() throws {
    let file = try ModelFile(text: model("y = 2 * x - x / 3 + (x |> relu) * (1 - 0.5) + -x"), file: "m.gradc")
    let graph = try built(file).graph.graph
    let names = graph.nodes.compactMap { $0.op.map { type(of: $0).name } }
    #expect(names.filter { $0 == "multiply" }.count == 2)
    #expect(names.contains("divide") && names.contains("subtract") && names.contains("negate") && names.contains("relu"))
  }

  @Test func theTreeKeepsWhatWasWritten() throws {
    let (tree, diagnostics) = Parser.parse("model m { input x: f32[N]\n y = x |> dense(2, bias: false) |> relu }", file: "m.gradc")
    #expect(diagnostics.isEmpty)
    let body = tree.models[0].body
    guard case .assign(let name, let expression) = body[1], case .pipe(let head, let stages) = expression.kind else {
      Issue.record("no pipe: \(body)")
      return
    }
    #expect(name == Name("y", SourceLocation(file: "m.gradc", line: 2, column: 2)))
    #expect(head.kind == .name("x"))
    #expect(stages.map(\.callee.text) == ["dense", "relu"])
    #expect(stages[0].callee.location.column == 11 && stages[0].length == 21)
    #expect(stages[0].arguments.map(\.label?.text) == [nil, "bias"])
    #expect(stages[0].arguments.map(\.value.kind) == [.integer(2), .name("false")])
  }
}
