import Gradc

/// The network of examples/heart/heart.gradc: 29 -> 16 -> 1.
let heart = ModelDefinition(name: "heart") { model in
  let features = try model.input("features", dims: [29])
  let hidden = try model.relu(model.dense(features, units: 16))
  try model.output("risk", model.sigmoid(model.dense(hidden, units: 1)))
}

/// Its graphs (forward, backward, optimizer) and its loops, for batches of up to 32 rows.
func compileHeart() throws -> Compilation {
  let training = TrainingSpecification(losses: [LossChoice("binary_cross_entropy")], optimizer: try OptimizerChoice("adam"))
  return try compile(heart, training: training, options: CompileOptions(maxBatch: 32))
}

/// heart.c, heart.h and what belongs to them, by path.
func emitHeart() throws -> [String: String] {
  let project = try emitC(compileHeart().program)
  return Dictionary(uniqueKeysWithValues: project.files.map { ($0.path, $0.text) })
}

/// Trains in this process, in libtcc's code, on rows that the caller encoded: the loss before each step.
func trainHeart(features: [Double], targets: [Double], steps: Int) throws -> [Double] {
  let trainer = try Trainer(Session(compileHeart(), CodeOptions(mode: .tcc)))
  try trainer.initialize(seed: 1)
  trainer.controls.pointee.rate = 0.01
  let batch = Batch(rows: targets.count, inputs: [AlignedBuffer(.f32, features)], targets: [AlignedBuffer(.f32, targets)])
  return try (0..<steps).map { _ in try trainer.step(batch) }
}
