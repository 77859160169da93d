import Basics
import CRuntime
import GraphIR
import ModelLanguage
import Optimizers
import Training

extension ModelFile {
  /// What the compiler needs to know of the training: the file's plan with what flags changed in the recipe. Nil when there is no loss.
  /// `freeze` replaces the layers that the file freezes.
  public func specification(_ recipe: Recipe, freeze: [String]? = nil) throws -> TrainingSpecification? {
    let losses = try lossChoices(recipe)
    guard !losses.isEmpty else { return nil }
    let choice = try optimizer(recipe)
    let values = recipe.pointer
    // The runtime's schedule begins with the rate that the compiler's optimizer has.
    values.pointee.rate = choice.rate
    return TrainingSpecification(
      losses: losses, optimizer: choice, clipNorm: values.pointee.clip_norm > 0 ? values.pointee.clip_norm : nil,
      clipValue: values.pointee.clip_value > 0 ? values.pointee.clip_value : nil, freeze: freeze ?? training.freeze)
  }

  private func optimizer(_ recipe: Recipe) throws -> OptimizerChoice {
    let rate = recipe.pointer.pointee.rate
    guard recipe.changed.contains("optimizer"), let call = recipe.pointer.pointee.optimizer.call else {
      return try training.optimizer.choice(rate: rate > 0 ? rate : nil)
    }
    let arguments = try call.settings.filter { $0.key != "rate" }.map { try argument($0, of: call.name) }
    // A rate among the settings is the latest word, unless --lr says otherwise.
    let own = call.settings.first { $0.key == "rate" }?.value
    let chosen = recipe.changed.contains("lr") ? rate : own ?? (training.optimizer.name == call.name && rate > 0 ? rate : nil)
    do {
      return try OptimizerChoice(call.name, arguments + (chosen.map { [LabelledArgument(.number($0), label: "rate")] } ?? []))
    } catch let error as Diagnostic {
      throw Diagnostic("--optimizer: \(error.message)", kind: .usage)
    }
  }

  private func lossChoices(_ recipe: Recipe) throws -> [LossChoice] {
    if recipe.changed.contains("loss"), let call = recipe.pointer.pointee.loss.call {
      guard training.losses.count <= 1 else {
        throw Diagnostic("--loss can replace one loss, but the model file has \(training.losses.count)", kind: .usage)
      }
      let arguments = try call.settings.map { try argument($0, of: call.name) }
      let known = training.losses.first
      return [LossChoice(call.name, arguments, output: known?.output, target: known.flatMap { targetName($0, of: 1) })]
    }
    let count = training.losses.count
    return training.losses.map { term in
      LossChoice(term.name, term.arguments, output: term.output, target: targetName(term, of: count), weight: term.weight)
    }
  }

  /// The name of a loss's target port: an input's, or that of its columns where there are several losses.
  private func targetName(_ term: LossTerm, of count: Int) -> String? {
    switch term.target {
    case .input(let name): return name
    case .columns(let columns):
      let name = count == 1 || columns.isEmpty ? (count == 1 ? "target" : "\(term.output)_target") : columns.joined(separator: "+")
      // A port of an input's name would mean that input.
      return inputs.contains { $0.name == name } ? name + "_target" : name
    }
  }

  private func argument(_ setting: (key: String, text: String, value: Double), of name: String) throws -> LabelledArgument {
    if let truth = ["true": true, "yes": true, "false": false, "no": false][setting.text] {
      return LabelledArgument(.bool(truth), label: setting.key)
    }
    guard !setting.value.isNaN else {
      throw Diagnostic("\(name): \(setting.key) must be a number, true or false, found \"\(setting.text)\"", kind: .usage)
    }
    let isWhole = setting.value == setting.value.rounded() && abs(setting.value) < 1e15
    return LabelledArgument(isWhole ? .integer(Int(setting.value)) : .number(setting.value), label: setting.key)
  }
}
