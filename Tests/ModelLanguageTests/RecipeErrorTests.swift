import Testing

/// Errors in the blocks `data` and `train`.
@Suite struct RecipeErrorTests {
  @Test(arguments: Self.cases) func theErrorIsRenderedAsExpected(_ example: ErrorCase) {
    #expect(rendered(example.text) == example.expected)
  }

  static let cases = [
    ErrorCase(
      "data word", model("y = x", after: "data {\n  csv \"a.csv\"\n  standardise \"a\"\n  epochs 3\n}\n"),
      #"""
      m.gradc:8:3: error: unknown word 'standardise' in the `data` block; did you mean 'standardize'?
          standardise "a"
          ^~~~~~~~~~~
          standardize
      m.gradc:9:3: error: 'epochs' belongs in the `train` block
          epochs 3
          ^~~~~~
      """#),
    ErrorCase(
      "column without quotes", model("y = x", after: "data {\n  csv \"a.csv\"\n  standardize age\n}\n"),
      #"""
      m.gradc:8:15: error: a column's name stands in quotes; found `age`
          standardize age
                      ^~~
                      "age"
      """#),
    ErrorCase(
      "column twice", model("y = x", after: "data {\n  csv \"a.csv\"\n  target \"t\"\n  numeric \"a\", \"t\"\n}\n"),
      #"""
      m.gradc:9:16: error: column "t" is used already, by 'target'
          numeric "a", "t"
                       ^~~
      m.gradc:8:10: note: here
          target "t"
                 ^~~
      """#),
    ErrorCase(
      "shares", model("y = x", after: "data {\n  csv \"a.csv\"\n  split train 0.7, validation 0.4\n}\n"),
      #"""
      m.gradc:8:3: error: the shares of 'split' add up to 1.1 and must add up to 1, with rows left to train on
          split train 0.7, validation 0.4
          ^~~~~
      """#),
    ErrorCase(
      "share word", model("y = x", after: "data {\n  csv \"a.csv\"\n  split train 0.7, validaton 0.3\n}\n"),
      #"""
      m.gradc:8:20: error: 'split' has no setting 'validaton'; it has train, validation, test, seed, stratified
          split train 0.7, validaton 0.3
                           ^~~~~~~~~
                           validation
      """#),
    ErrorCase(
      "no file", model("y = x", after: "data {\n  target \"a\"\n}\n"),
      #"""
      m.gradc:6:1: error: the `data` block names no file; add `csv "table.csv"` (the command's --data then overrides it)
        data {
        ^~~~
      """#),
    ErrorCase(
      "separator", model("y = x", after: "data {\n  csv \"a.csv\"\n  separator \"ab\"\n}\n"),
      #"""
      m.gradc:8:13: error: a separator is one ASCII character and no quote; found "ab"
          separator "ab"
                    ^~~~
      """#),
    ErrorCase(
      "missing rule", model("y = x", after: "data {\n  csv \"a.csv\"\n  missing meen\n}\n"),
      #"""
      m.gradc:8:11: error: 'missing' is mean, median, zero, most_frequent, refuse or drop; found `meen`
          missing meen
                  ^~~~
                  mean
      """#),
    ErrorCase(
      "unknown input", model("y = x", after: "data {\n  csv \"a.csv\"\n  input xx \"a\"\n}\n"),
      #"""
      m.gradc:8:9: error: the model has no input 'xx'; it has x
          input xx "a"
                ^~
                x
      """#),
    ErrorCase(
      "loss", model("y = x", after: "train {\n  loss binary_crossentorpy(y, target)\n}\n"),
      #"""
      m.gradc:7:8: error: unknown loss 'binary_crossentorpy'; did you mean 'binary_crossentropy'?
          loss binary_crossentorpy(y, target)
               ^~~~~~~~~~~~~~~~~~~
               binary_crossentropy
      """#),
    ErrorCase(
      "loss output", model("y = x", after: "train {\n  loss mse(z, target)\n}\n"),
      #"""
      m.gradc:7:12: error: a loss looks at one of the model's outputs first: y
          loss mse(z, target)
                   ^
                   y
      """#),
    ErrorCase(
      "loss target", model("y = x", after: "data {\n  csv \"a\"\n  target \"price\"\n}\ntrain {\n  loss mse(y, prize)\n}\n"),
      #"""
      m.gradc:11:15: error: unknown target 'prize'; a loss compares with target, x or price
          loss mse(y, prize)
                      ^~~~~
                      price
      """#),
    ErrorCase(
      "loss without target", model("y = x", after: "data {\n  csv \"a\"\n}\ntrain {\n  loss mse(y, target)\n}\n"),
      #"""
      m.gradc:10:15: error: the `data` block has no `target`; an autoencoder compares with its input: `loss mse(y, x)`
          loss mse(y, target)
                      ^~~~~~
      """#),
    ErrorCase(
      "loss difference", model("y = x", after: "train {\n  loss mse(y, target) - mae(y, target)\n}\n"),
      #"""
      m.gradc:7:23: error: a loss is a sum of losses with factors: `mse(a, target) + 0.3 * mae(b, target)`
          loss mse(y, target) - mae(y, target)
                              ^
      """#),
    ErrorCase(
      "optimizer", model("y = x", after: "train {\n  optimizer adm\n}\n"),
      #"""
      m.gradc:7:13: error: unknown optimizer 'adm'; did you mean 'adam'?
          optimizer adm
                    ^~~
                    adam
      """#),
    ErrorCase(
      "optimizer argument", model("y = x", after: "train {\n  optimizer adam(beta3: 0.9)\n}\n"),
      #"""
      m.gradc:7:18: error: 'adam' has no argument 'beta3'; did you mean 'beta1'?
          optimizer adam(beta3: 0.9)
                         ^~~~~
                         beta1
      """#),
    ErrorCase(
      "optimizer range", model("y = x", after: "train {\n  optimizer adam(beta1: 1.5)\n}\n"),
      #"""
      m.gradc:7:13: error: beta1 must be at least 0.0 and below 1.0, got 1.5
          optimizer adam(beta1: 1.5)
                    ^~~~~~~~~~~~~~~~
      """#),
    ErrorCase(
      "metric", model("y = x", after: "train {\n  metrics accurracy\n}\n"),
      #"""
      m.gradc:7:11: error: unknown metric 'accurracy'; did you mean 'accuracy'?
          metrics accurracy
                  ^~~~~~~~~
                  accuracy
      """#),
    ErrorCase(
      "batch", model("y = x", after: "train {\n  batch 0\n}\n"),
      #"""
      m.gradc:7:9: error: the batch is a whole number from 1 on; found the number 0
          batch 0
                ^
      """#),
    ErrorCase(
      "twice", model("y = x", after: "train {\n  batch 1\n  batch 2\n}\n"),
      #"""
      m.gradc:8:3: error: 'batch' stands twice
          batch 2
          ^~~~~
      m.gradc:7:3: note: the first one is here
          batch 1
          ^~~~~
      """#),
    ErrorCase(
      "schedule", model("y = x", after: "train {\n  schedule cosin\n}\n"),
      #"""
      m.gradc:7:12: error: unknown schedule 'cosin'; there are constant, step, exponential, cosine, plateau
          schedule cosin
                   ^~~~~
                   cosine
      """#),
    ErrorCase(
      "schedule setting", model("y = x", after: "train {\n  schedule step(evry: 3)\n}\n"),
      #"""
      m.gradc:7:17: error: 'step' has no setting 'evry'; it has every, factor, per
          schedule step(evry: 3)
                        ^~~~
                        every
      """#),
    ErrorCase(
      "early stopping", model("y = x", after: "train {\n  early_stopping(patience: 2.5)\n}\n"),
      #"""
      m.gradc:7:28: error: the patience is a whole number from 0 on; found the number 2.5
          early_stopping(patience: 2.5)
                                   ^~~
      """#),
    ErrorCase(
      "target column without a loss",
      model("y = x", after: "data {\n  csv \"a\"\n  target \"t\", \"u\"\n}\ntrain {\n  loss mse(y, t)\n}\n"),
      #"""
      m.gradc:11:8: error: target column "u" is in no loss
          loss mse(y, t)
               ^~~
      """#),
  ]
}
