import Testing

/// Errors in the lines of a model.
@Suite struct LayerErrorTests {
  @Test(arguments: Self.cases) func theErrorIsRenderedAsExpected(_ example: ErrorCase) {
    #expect(rendered(example.text) == example.expected)
  }

  static let cases = [
    ErrorCase(
      "unknown layer", model("y = x |> dens(8)"),
      #"""
      m.gradc:3:12: error: unknown layer 'dens'; did you mean 'dense'?
          y = x |> dens(8)
                   ^~~~
                   dense
      """#),
    ErrorCase(
      "unknown argument", model("y = x |> dense(8, units2: 3)"),
      #"""
      m.gradc:3:21: error: 'dense' has no argument 'units2'; did you mean 'units'?
          y = x |> dense(8, units2: 3)
                            ^~~~~~
                            units
      """#),
    ErrorCase(
      "nearest argument", model("y = x |> dense(8, bais: false)"),
      #"""
      m.gradc:3:21: error: 'dense' has no argument 'bais'; did you mean 'bias'?
          y = x |> dense(8, bais: false)
                            ^~~~
                            bias
      """#),
    ErrorCase(
      "wrong kind", model("y = x |> dense(8.5)"),
      #"""
      m.gradc:3:18: error: argument 'units' of 'dense' must be a whole number; found the number 8.5
          y = x |> dense(8.5)
                         ^~~
      """#),
    ErrorCase(
      "missing argument", model("y = x |> dense"),
      #"""
      m.gradc:3:12: error: 'dense' needs 'units': size of the result's last axis
          y = x |> dense
                   ^~~~~
      """#),
    ErrorCase(
      "too many", model("y = x |> relu(1, 2)"),
      #"""
      m.gradc:3:17: error: too many arguments for 'relu': it takes 1: x
          y = x |> relu(1, 2)
                        ^
      """#),
    ErrorCase(
      "nearest word", model("y = x |> dense(8, activation: rleu)"),
      #"""
      m.gradc:3:33: error: argument 'activation' of 'dense' must be one of relu, relu6, leaky_relu, elu, selu, silu, swish, softplus, gelu, gelu_tanh, tanh, sigmoid, softmax, log_softmax, linear; found `rleu`
          y = x |> dense(8, activation: rleu)
                                        ^~~~
                                        relu
      """#),
    ErrorCase(
      "unknown initializer", model("y = x |> dense(8, initializer: he_norml)"),
      #"""
      m.gradc:3:34: error: unknown initializer 'he_norml'; did you mean 'he_normal'?
          y = x |> dense(8, initializer: he_norml)
                                         ^~~~~~~~
                                         he_normal
      """#),
    ErrorCase(
      "shapes", model("h = x |> dense(3)", "y = h + x"),
      #"""
      m.gradc:4:9: error: shapes [N, 3] and [N, 4] do not fit
          y = h + x
                ^
      """#),
    ErrorCase(
      "no operand", model("y = dense(8)"),
      #"""
      m.gradc:3:13: error: 'dense' is applied to a value of the network, as in `x |> dense`; found the number 8
          y = dense(8)
                    ^
      """#),
    ErrorCase(
      "unknown name", "model m {\n  input features: f32[N, 4]\n  output y = featurs |> relu\n}\n",
      #"""
      m.gradc:3:14: error: unknown name 'featurs'; did you mean 'features'?
          output y = featurs |> relu
                     ^~~~~~~
                     features
      """#),
    ErrorCase(
      "layer as value", model("y = relu + x"),
      #"""
      m.gradc:3:7: error: 'relu' is a layer: apply it with `x |> relu` or `relu(x)`
          y = relu + x
              ^~~~
      """#),
    ErrorCase(
      "argument with equals", model("y = x |> dense(units=8)"),
      #"""
      m.gradc:3:23: error: arguments are named with `:`
          y = x |> dense(units=8)
                              ^
                              :
      """#),
    ErrorCase(
      "unclosed parenthesis", model("y = x |> dense(8"),
      #"""
      m.gradc:4:3: error: expected `,` or `)`, found `output`
          output y
          ^~~~~~
      m.gradc:3:17: note: the parenthesis opens here
          y = x |> dense(8
                        ^
      """#),
    ErrorCase(
      "plus after stage", model("y = x |> relu + x"),
      #"""
      m.gradc:3:17: error: `+` after a stage: put the pipe in parentheses, `(x |> f) + y`
          y = x |> relu + x
                        ^
      """#),
    ErrorCase(
      "missing batch", "model m {\n  input x: f32[4]\n  output y = x\n}\n",
      #"""
      m.gradc:2:16: error: the first axis of an input is the batch `N`; found `4`
          input x: f32[4]
                       ^
      """#),
    ErrorCase(
      "element type", "model m {\n  input x: f23[N, 4]\n  output y = x\n}\n",
      #"""
      m.gradc:2:12: error: unknown element type 'f23'; there are f32, f64, i32, i64, u8, u32, u64, bool, i8, i16, u16, f16, bf16
          input x: f23[N, 4]
                   ^~~
                   f32
      """#),
    ErrorCase(
      "axis", "model m {\n  input x: f32[N, 0]\n  output y = x\n}\n",
      #"""
      m.gradc:2:19: error: the size of an axis is a whole number from 1 to 2147483647; found the number 0
          input x: f32[N, 0]
                          ^
      """#),
    ErrorCase(
      "no output", "model m {\n  input x: f32[N, 4]\n}\n",
      #"""
      m.gradc:1:7: error: model 'm' has no output; add `output` and the name of a value
        model m {
              ^
      """#),
    ErrorCase(
      "no input", "model m {\n  output y = 3\n}\n",
      #"""
      m.gradc:2:10: error: an output is a value of the network; 'y' is the number 3
          output y = 3
                 ^
      """#),
    ErrorCase(
      "sequence", model("y = x |> lstm(4)"),
      #"""
      m.gradc:3:12: error: layer 'lstm1': expected an input [N, steps, features], got f32[N, 4]
          y = x |> lstm(4)
                   ^~~~~~~
      """#),
    ErrorCase(
      "mask of a sequence", model("y = x |> reshape([2, 2]) |> gru(4, mask: x)"),
      #"""
      m.gradc:3:31: error: layer 'gru1': expected a mask [N, 2], one a step, got f32[N, 4]
          y = x |> reshape([2, 2]) |> gru(4, mask: x)
                                      ^~~~~~~~~~~~~~~
      """#),
    ErrorCase(
      "state of a sequence", model("y = x |> reshape([2, 2]) |> lstm(3, initial_state: x)"),
      #"""
      m.gradc:3:31: error: layer 'lstm1': expected an initial_state [N, 6], got f32[N, 4]
          y = x |> reshape([2, 2]) |> lstm(3, initial_state: x)
                                      ^~~~~~~~~~~~~~~~~~~~~~~~~
      """#),
    ErrorCase(
      "state or sequences", model("y = x |> reshape([2, 2]) |> lstm(3, return_state: true, return_sequences: true)"),
      #"""
      m.gradc:3:31: error: layer 'lstm1': return_state and return_sequences exclude each other
          y = x |> reshape([2, 2]) |> lstm(3, return_state: true, return_sequences: true)
                                      ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """#),
    ErrorCase(
      "direction", model("y = x |> reshape([2, 2]) |> gru(3, reversed: true, bidirectional: true)"),
      #"""
      m.gradc:3:31: error: layer 'gru1': reversed and bidirectional exclude each other
          y = x |> reshape([2, 2]) |> gru(3, reversed: true, bidirectional: true)
                                      ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """#),
    ErrorCase(
      "state of several layers", model("y = x |> reshape([2, 2]) |> gru(4, initial_state: x, layers: 2)"),
      #"""
      m.gradc:3:31: error: layer 'gru1': initial_state goes with one layer, not with 2
          y = x |> reshape([2, 2]) |> gru(4, initial_state: x, layers: 2)
                                      ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """#),
    ErrorCase(
      "layers", model("y = x |> reshape([2, 2]) |> simple_rnn(3, layers: 0)"),
      #"""
      m.gradc:3:31: error: layer 'simple_rnn1': layers must lie in 1 ... 64, got 0
          y = x |> reshape([2, 2]) |> simple_rnn(3, layers: 0)
                                      ^~~~~~~~~~~~~~~~~~~~~~~~
      """#),
    ErrorCase(
      "rate of the state's dropout", model("y = x |> reshape([2, 2]) |> lstm(3, recurrent_dropout: 1)"),
      #"""
      m.gradc:3:31: error: layer 'lstm1': recurrent_dropout must be at least 0 and below 1, got 1.0
          y = x |> reshape([2, 2]) |> lstm(3, recurrent_dropout: 1)
                                      ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """#),
  ]
}
