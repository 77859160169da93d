import Testing

/// Errors in models, users' layers and files as a whole.
@Suite struct ModelErrorTests {
  @Test(arguments: Self.cases) func theErrorIsRenderedAsExpected(_ example: ErrorCase) {
    #expect(rendered(example.text) == example.expected)
  }

  static let cases = [
    ErrorCase(
      "output twice", model("y = x", "output y"),
      #"""
      m.gradc:5:10: error: output 'y' is declared twice
          output y
                 ^
      """#),
    ErrorCase(
      "same name", model("h = x |> dense(4, name: \"fc\")", "y = h |> dense(4, name: \"fc\")"),
      #"""
      m.gradc:4:27: error: two layers have the name 'fc'; to use one layer twice write `fc = layer …` and apply `fc`
          y = h |> dense(4, name: "fc")
                                  ^~~~
      """#),
    ErrorCase(
      "bad name", model("y = x |> dense(4, name: \"fc.1\")"),
      #"""
      m.gradc:3:27: error: a layer's name has at most 64 letters, digits and underscores and begins with no digit; found "fc.1"
          y = x |> dense(4, name: "fc.1")
                                  ^~~~~~
      """#),
    ErrorCase(
      "recursion", model("y = x |> a", before: "layer a(x) { return x |> b }\nlayer b(x) { return x |> a }\n"),
      #"""
      m.gradc:2:26: error: layer 'a' applies itself
        layer b(x) { return x |> a }
                                 ^
      m.gradc:1:26: note: in layer 'b', applied here
        layer a(x) { return x |> b }
                                 ^
      m.gradc:5:12: note: in layer 'a', applied here
          y = x |> a
                   ^
      """#),
    ErrorCase(
      "error in layer", model("y = x |> a(3)", before: "layer a(x, n) {\n  h = x |> dense(n)\n  return h + x\n}\n"),
      #"""
      m.gradc:3:12: error: layer 'a1': shapes [N, 3] and [N, 4] do not fit
          return h + x
                   ^
      m.gradc:7:12: note: in layer 'a', applied here
          y = x |> a(3)
                   ^~~~
      """#),
    ErrorCase(
      "no return", model("y = x |> a", before: "layer a(x) {\n  h = x |> relu\n}\n"),
      #"""
      m.gradc:1:7: error: layer 'a' has no `return`
        layer a(x) {
              ^
      """#),
    ErrorCase(
      "own parameter missing", model("y = x |> a", before: "layer a(x, n) {\n  return x |> dense(n)\n}\n"),
      #"""
      m.gradc:6:12: error: 'a' needs 'n'
          y = x |> a
                   ^
      """#),
    ErrorCase(
      "own layer named as ours", model("y = x |> relu", before: "layer relu(x) {\n  return x\n}\n"),
      #"""
      m.gradc:1:7: error: 'relu' is a layer of gradc; give yours another name
        layer relu(x) {
              ^~~~
      """#),
    ErrorCase(
      "shared arguments", model("f = layer dense(4)", "y = f(x, 3)"),
      #"""
      m.gradc:4:12: error: a shared layer takes its arguments where it is made (`f = layer dense(…)`); here it takes values of the network
          y = f(x, 3)
                   ^
      """#),
    ErrorCase(
      "unnamed instance", model("y = x |> relu |> dense(layer relu)"),
      #"""
      m.gradc:3:26: error: a layer that is to be shared needs a name: `shared = layer …` on a line of its own
          y = x |> relu |> dense(layer relu)
                                 ^~~~~
      """#),
    ErrorCase(
      "return in model", model("y = x", "return y"),
      #"""
      m.gradc:4:3: error: `return` belongs in a layer; a model has `output`
          return y
          ^~~~~~
      """#),
    ErrorCase(
      "statement", model("x |> relu", "y = x"),
      #"""
      m.gradc:3:3: error: a line begins with `input`, `output`, `return` or `name =`; found `x`
          x |> relu
          ^
      """#),
    ErrorCase(
      "model word", "modle m {\n}\n",
      #"""
      m.gradc:1:1: error: expected `model`, `layer`, `let`, `data` or `train`, found `modle`
        modle m {
        ^~~~~
        model
      """#),
    ErrorCase(
      "no model", "let a = 3\n",
      #"""
      m.gradc:1:1: error: the file has no `model`
        let a = 3
        ^
      """#),
    ErrorCase(
      "two models", model("y = x") + model("y = x"),
      #"""
      m.gradc:6:7: error: a file has one model; 'm' stands above
        model m {
              ^
      """#),
    ErrorCase(
      "string end", model("y = x |> dense(4, name: \"fc)"),
      #"""
      m.gradc:3:27: error: this string has no closing quote on its line
          y = x |> dense(4, name: "fc)
                                  ^
      """#),
    ErrorCase(
      "division", model("y = x |> dense(1 / 0)"),
      #"""
      m.gradc:3:20: error: the result of `/` is not a finite number
          y = x |> dense(1 / 0)
                           ^
      """#),
    ErrorCase(
      "fraction", model("y = x |> dense(1 / 3)"),
      #"""
      m.gradc:3:18: error: argument 'units' of 'dense' must be a whole number; found the number 0.3333333333333333
          y = x |> dense(1 / 3)
                         ^
      """#),
    ErrorCase(
      "several at once", model("h = x |> dens(3)", "y = h |> relu", "z = x |> dense(", "w = x |> rleu", after: "train {\n  epoch 3\n}\n"),
      #"""
      m.gradc:6:3: error: expected `,` or `)`, found `w`
          w = x |> rleu
          ^
      m.gradc:5:17: note: the parenthesis opens here
          z = x |> dense(
                        ^
      """#),
    ErrorCase(
      "several at once, understood", model("h = x |> dens(3)", "y = h |> relu", "w = x |> rleu", after: "train {\n  epoch 3\n}\n"),
      #"""
      m.gradc:3:12: error: unknown layer 'dens'; did you mean 'dense'?
          h = x |> dens(3)
                   ^~~~
                   dense
      m.gradc:5:12: error: unknown layer 'rleu'; did you mean 'relu'?
          w = x |> rleu
                   ^~~~
                   relu
      m.gradc:9:3: error: unknown word 'epoch' in the `train` block; did you mean 'epochs'?
          epoch 3
          ^~~~~
          epochs
      """#),
    ErrorCase(
      "two lines that cannot be read", model("y = x |> dense(units=8)", "z = (x |> relu", "w = * 3"),
      #"""
      m.gradc:3:23: error: arguments are named with `:`
          y = x |> dense(units=8)
                              ^
                              :
      m.gradc:5:3: error: expected `)` to close the parenthesis, found `w`
          w = * 3
          ^
      m.gradc:5:7: error: expected an expression, found `*`
          w = * 3
              ^
      """#),
  ]
}
