import Basics
import CRuntime
import ModelLanguage
import Testing

private let network = "model m {\n  input x: f32[N, 4]\n  output y = x |> dense(1)\n}\n"

private func recipe(data: String = "csv \"t.csv\"; target \"t\"", train: String) throws -> [String] {
  let data = data.split(separator: ";").map { "  \($0)\n" }.joined(), train = train.split(separator: ";").map { "  \($0)\n" }.joined()
  let file = try ModelFile(text: network + "data {\n\(data)}\ntrain {\n\(train)}\n", file: "m.gradc")
  return file.recipe.split(separator: "\n").map { String($0).replacing("\t", with: " ") }
}

@Suite struct RecipeTests {
  @Test func theRecipeOfTheHeartExample() throws {
    let file = try ModelFile(text: exampleText("heart"), file: "heart.gradc", folder: "models/heart")
    #expect(
      file.recipe.replacing("\t", with: " ") == """
        csv models/heart/heart.csv
        target target
        standardize age trestbps chol thalach oldpeak slope
        one_hot sex cp fbs restecg exang ca thal
        split train 0.7 validation 0.15 test 0.15 stratified seed 42
        rate 0.001
        optimizer adam
        batch 32
        epochs 300
        metrics accuracy auc
        early_stopping patience=20
        loss binary_cross_entropy

        """)
    #expect(file.training.losses.map(\.output) == ["risk"])
    #expect(file.training.losses.map(\.target) == [.columns(["target"])])
    #expect(try file.training.optimizer.choice(rate: file.training.rate).rate == 0.001)
  }

  @Test func everyDataDirective() throws {
    let lines = try recipe(
      data: """
        npy "a.npy", "/b.npy";separator ",";header no;target "t", "u";id "key";ignore "q";numeric "a";min_max "b", "c d";\
        one_hot "e", "f", drop_first, unknown: zeros;missing mean;missing median "a", "b";missing constant 0, "c d";\
        missing constant "none", "e";missing refuse;missing_marker "?", "NA";target_encoding numeric;standardize_target;\
        input x "a", "b";split validation 0.2, seed 7
        """, train: "epochs 1")
    #expect(
      lines == [
        "npy a.npy /b.npy", "separator ,", "header no", "target t u", "id key", "ignore q", "numeric a", "min_max b c d",
        "one_hot drop_first unknown=zeros e f", "missing mean", "missing median a b", "missing constant 0 c d",
        "missing constant none e", "missing refuse", "missing_marker ? NA", "target_encoding numeric", "standardize_target",
        "input x a b", "split train 0.8 validation 0.2 seed 7", "epochs 1",
      ])
  }

  @Test func everyTrainDirective() throws {
    let lines = try recipe(
      train: """
        loss huber(y, target, delta: 2);optimizer sgd(lr: 0.1, weight_decay: 0.01);batch all;accumulate 2;epochs 5;\
        metrics mean_absolute_error, r2;threshold 0.25;early_stopping(monitor: val_mae, mode: min, patience: 3, min_delta: 0.01);\
        schedule cosine(minimum: 0.001, per: step);warmup 10;class_weight 0: 1, "a b": 2.5;sample_weight "w";clip norm 1.5, value 2;\
        shuffle no;seed 3;checkpoint "c.bin", every: 2;log "l.jsonl";precision f64
        """)
    #expect(
      lines == [
        "csv t.csv", "target t", "rate 0.1", "optimizer sgd weight_decay=0.01", "batch all", "accumulate 2", "epochs 5", "metrics mae r2",
        "threshold 0.25", "early_stopping monitor=val_mae mode=min patience=3 min_delta=0.01", "schedule cosine minimum=0.001 per=step",
        "warmup 10", "class_weight 0=1 a b=2.5", "sample_weight w", "clip_norm 1.5", "clip_value 2", "shuffle no", "seed 3",
        "checkpoint c.bin every=2", "log l.jsonl", "loss huber delta=2",
      ])
  }

  @Test func kerasNamesAreUnderstood() throws {
    let file = try ModelFile(
      text: network + "train {\n loss mse\n optimizer Adam\n}\n".replacing("Adam", with: "adam"), file: "m.gradc")
    #expect(file.training.losses.map(\.name) == ["mean_squared"])
    #expect(file.training.losses[0].target == .columns([]))
    for (alias, name) in [("mae", "mean_absolute"), ("binary_crossentropy", "binary_cross_entropy"), ("huber", "huber")] {
      let file = try ModelFile(text: network + "train {\n loss \(alias)(y, target)\n}\n", file: "m.gradc")
      #expect(file.training.losses.map(\.name) == [name])
    }
  }

  @Test func severalLossesHaveWeightsAndTheOrderOfTheTargets() throws {
    let file = try ModelFile(
      text: """
        model two {
          input x: f32[N, 4]
          output price = x |> dense(1)
          output sold = x |> dense(1) |> sigmoid
        }
        data {
          csv "t.csv"
          target "euros", "was sold"
        }
        train {
          loss 0.25 * 2 * bce(sold, "was sold") + mae(price, euros)
          loss 0.1 * mse(price, x)
        }
        """, file: "m.gradc")
    #expect(file.training.losses.map(\.name) == ["mean_absolute", "binary_cross_entropy", "mean_squared"])
    #expect(file.training.losses.map(\.weight) == [1, 0.5, 0.1])
    #expect(file.training.losses.map(\.target) == [.columns(["euros"]), .columns(["was sold"]), .input("x")])
  }

  @Test func theRuntimeReadsTheRecipesOfTheExamples() throws {
    for name in exampleNames {
      let file = try ModelFile(text: exampleText(name), file: "\(name).gradc")
      var recipe = gradc_recipe(), error = gradc_error()
      let code = gradc_recipe_parse(file.recipe, &recipe, &error)
      defer { gradc_recipe_free(&recipe) }
      #expect(code == 0, "\(name): \(String(cString: gradc_error_message(&error)))")
    }
  }
}
