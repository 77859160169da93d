extension TrainingHistory {
  /// The training report: one HTML file that needs nothing else, no scripts, in light and dark.
  public func htmlReport() -> String {
    let name = model.markup
    var body = "<h1>\(name)</h1>\n" + verdictSection() + figures()
    body += charts().map { "<figure>\n\($0.svg())</figure>\n" }.joined()
    for (title, evaluation) in [("Test", test), ("Validation", validation)] {
      if let evaluation, evaluation.rows > 0 { body += evaluationSection(title, evaluation) }
      if !worst.isEmpty, title.lowercased() == worstPart { body += worstSection() }
    }
    body += epochTable()
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(name): training report</title>
      <style>
      \(Self.style)
      </style>
      </head>
      <body>
      \(body)<footer>Written by gradc.</footer>
      </body>
      </html>

      """
  }

  private static let style = """
    :root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1f24; --faint: #5d6670; --line: #d9dee3; --panel: #f5f7f9;
      --training: #0067b1; --validation: #c2570c; }
    @media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e6e9ec; --faint: #9aa4ae; --line: #333b44; --panel: #1c2229;
      --training: #5cb3ff; --validation: #ff9d5c; } }
    body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; max-width: 800px; margin: 2rem auto;
      padding: 0 1rem; }
    h1 { font-size: 1.6rem; margin: 0 0 1rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
    .verdict { background: var(--panel); border-left: 4px solid var(--training); padding: .75rem 1rem; border-radius: 4px; }
    .verdict.overfitting, .verdict.underfitting, .verdict.diverged { border-left-color: var(--validation); }
    .verdict p { margin: 0 0 .5rem; } .verdict p:last-child, .verdict ul:last-child { margin-bottom: 0; } .verdict ul { margin: 0 0 .5rem; }
    figure { margin: 1.5rem 0; } svg { width: 100%; height: auto; display: block; }
    svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .title { font-size: 15px; font-weight: 600; }
    svg .tick { fill: var(--faint); } svg .grid { stroke: var(--line); } svg .axis { stroke: var(--faint); }
    svg .best { stroke: var(--faint); stroke-dasharray: 4 4; }
    svg path, svg line.training, svg line.validation { fill: none; stroke-width: 2; }
    svg path.training, svg line.training { stroke: var(--training); } svg path.validation, svg line.validation { stroke: var(--validation); }
    svg circle.training { fill: var(--training); } svg circle.validation { fill: var(--validation); }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
    th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid var(--line); } th { color: var(--faint); font-weight: 500; }
    td.name, th.name { text-align: left; } tr.best td { font-weight: 600; }
    svg rect.hit { fill: var(--training); } svg rect.miss { fill: var(--validation); } svg text.strong { fill: var(--paper); }
    .sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(112px, 1fr)); gap: .75rem; }
    .sheet figure { margin: 0; font-size: .8rem; line-height: 1.35; text-align: center; overflow-wrap: anywhere; }
    .sheet img { image-rendering: pixelated; object-fit: contain; background: var(--panel); border-radius: 3px; }
    details { margin: 2rem 0; } summary { cursor: pointer; } footer { color: var(--faint); font-size: .85rem; margin: 3rem 0 1rem; }
    """

  private func verdictSection() -> String {
    let verdict = verdict
    var text = "<section class=\"verdict \(verdict.kind.rawValue)\">\n<p>\(verdict.finding.markup)</p>\n"
    if !verdict.remedies.isEmpty {
      text += "<p>What usually helps:</p>\n<ul>\n" + verdict.remedies.map { "<li>\($0.markup)</li>\n" }.joined() + "</ul>\n"
    }
    for note in verdict.notes { text += "<p>\(note.markup)</p>\n" }
    return text + "</section>\n"
  }

  private func figures() -> String {
    var rows: [(String, String)] = [("epochs", "\(epochs.last?.number ?? 0)")]
    if let bestEpoch {
      rows.append(("best epoch", "\(bestEpoch)" + (bestValue.map { " (\(monitor) \(NumberText.significant($0)))" } ?? "")))
    }
    if !reason.isEmpty { rows.append(("ended", reason)) }
    if seconds > 0 { rows.append(("time", NumberText.seconds(seconds))) }
    return "<h2>Training</h2>\n<table>\n"
      + rows.map { "<tr><th class=\"name\">\($0.0.markup)</th><td class=\"name\">\($0.1.markup)</td></tr>\n" }.joined() + "</table>\n"
  }

  private func charts() -> [Chart] {
    guard epochs.count >= 2 else { return [] }
    let numbers = epochs.map(\.number)
    func chart(_ title: String, _ training: [Double?], _ validation: [Double?], logarithmic: Bool = false) -> Chart? {
      let series = [
        Chart.Series(name: "training", role: .training, values: training),
        Chart.Series(name: "validation", role: .validation, values: validation),
      ].filter { $0.values.contains { $0?.isFinite ?? false } }
      guard !series.isEmpty else { return nil }
      return Chart(title: title, epochs: numbers, series: series, bestEpoch: bestEpoch, allowsLogarithm: logarithmic)
    }
    var charts = [chart("loss", epochs.map(\.loss), epochs.map(\.validationLoss), logarithmic: true)]
    for (index, name) in metricNames.enumerated() {
      charts.append(
        chart(
          name, epochs.map { $0.metrics.indices.contains(index) ? $0.metrics[index] : nil },
          epochs.map { $0.validationMetrics.indices.contains(index) ? $0.validationMetrics[index] : nil }))
    }
    if Set(epochs.map(\.rate)).count > 1 { charts.append(chart("learning rate", epochs.map(\.rate), [], logarithmic: true)) }
    return charts.compactMap { $0 }
  }

  private func evaluationSection(_ title: String, _ evaluation: EvaluationResult) -> String {
    var text = "<h2>\(title): \(NumberText.grouped(evaluation.rows)) rows</h2>\n<table>\n<tr><th class=\"name\">loss</th>"
    text += evaluation.metrics.map { "<th>\($0.name.markup)</th>" }.joined() + "</tr>\n<tr><td class=\"name\">"
    text += NumberText.significant(evaluation.loss) + "</td>"
    text += evaluation.metrics.map { "<td>\(NumberText.significant($0.value))</td>" }.joined() + "</tr>\n</table>\n"
    guard !evaluation.confusion.isEmpty else { return text }
    let map = HeatMap(counts: evaluation.confusion, labels: evaluation.labels)
    return text + map.confusions() + "<figure>\n\(map.svg())</figure>\n"
  }

  private func worstSection() -> String {
    "<h2>\(worstPart == "test" ? "Test" : "Validation"): images with the highest loss</h2>\n<p>In bold what they are, with the probability that the model gives to it.</p>\n<div class=\"sheet\">\n"
      + worst.map { $0.figure() }.joined() + "</div>\n"
  }

  private func epochTable() -> String {
    guard !epochs.isEmpty else { return "" }
    let figure = { (value: Double?) in value.map { NumberText.significant($0) } ?? "" }
    let hasValidation = epochs.contains { $0.validationLoss != nil }
    var names = ["epoch", "loss"] + metricNames
    if hasValidation { names += ["val_loss"] + metricNames.map { "val_\($0)" } }
    var text = "<details>\n<summary>All epochs</summary>\n<div class=\"scroll\">\n<table>\n<tr>"
    text += (names + ["lr"]).map { "<th>\($0.markup)</th>" }.joined() + "</tr>\n"
    for epoch in epochs {
      let metrics = metricNames.indices.map { epoch.metrics.indices.contains($0) ? epoch.metrics[$0] : nil }
      let validation = metricNames.indices.map { epoch.validationMetrics.indices.contains($0) ? epoch.validationMetrics[$0] : nil }
      var cells = ["\(epoch.number)", figure(epoch.loss)] + metrics.map(figure)
      if hasValidation { cells += [figure(epoch.validationLoss)] + validation.map(figure) }
      cells.append(figure(epoch.rate))
      text += "<tr\(epoch.number == bestEpoch ? " class=\"best\"" : "")>" + cells.map { "<td>\($0)</td>" }.joined() + "</tr>\n"
    }
    return text + "</table>\n</div>\n</details>\n"
  }
}
