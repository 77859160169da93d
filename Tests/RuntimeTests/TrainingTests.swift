import CRuntime
import CTestModels
import Foundation
import XCTest

/// Plays the training scenarios of Tests/Support/CTestModels, each in an empty folder of its own.
final class TrainingTests: XCTestCase {
  private func play(_ name: String, file: StaticString = #filePath, line: UInt = #line) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("gradc-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    if let problem = test_play(name, folder.path) { XCTFail(String(cString: problem), file: file, line: line) }
  }

  // What is learnt, how often, at which rate, and when it stops.
  func testRecoversSlopeAndIntercept() throws { try play("line") }
  func testSameBitsAsTheSameCallsByHand() throws { try play("by hand") }
  func testStepsOfAnEpochAndItsLastSmallerBatch() throws { try play("steps") }
  func testEarlyStoppingGivesTheBestWeightsBack() throws { try play("early stopping") }
  func testReduceOnPlateau() throws { try play("plateau") }
  func testSchedulesAndWarmUp() throws { try play("schedules") }
  func testCallbacksInOrderThatStopAndChangeTheRate() throws { try play("callbacks") }
  func testAccumulatedGradientsEqualALargerBatch() throws { try play("accumulate") }
  func testBatchMonitorAndMemoryThatCannotBe() throws { try play("limits") }

  // What comes out.
  func testLogsAndTheirResumption() throws { try play("logs") }
  func testWeightsFilesAndWrongOnes() throws { try play("weights") }
  func testEvaluationAndPredictionAgainstRowsByHand() throws { try play("evaluation") }
  func testVanishingAndExplodingGradients() throws { try play("health") }
  func testFlags() throws { try play("flags") }
  func testNativeTrainerAsAProcess() throws { try play("native trainer") }

  // Threads.
  func testPoolRunsEveryPartOnce() throws { try play("pool") }
  func testThreadsDoNotChangeBits() throws { try play("threads") }
  func testHotSwapDoesNotChangeBits() throws { try play("hot swap") }

  // What must survive.
  func testResumeAfterKillBitForBit() throws { try play("resume after kill") }
  func testResumeAfterAnyEpochKeepsWaitingAndCoolingDown() throws { try play("resume at every epoch") }
  func testInterruptSavesAndResumesBitForBit() throws { try play("interrupt") }
  func testSecondInterruptKills() throws { try play("second interrupt kills") }
  func testDamagedCheckpointsAreRefused() throws { try play("damaged checkpoints") }
  func testFullDiskLosesNothing() throws { try play("full disk") }
  func testUnwritableFolderIsSaidBeforeTraining() throws { try play("unwritable folder") }
  func testNotFiniteNamesStepEpochAndTensor() throws { try play("not finite") }

  // Images.
  func testWorkerAndThreadsDoNotChangeBitsOfAugmentedImages() throws { try play("images worker") }
  func testAugmentedImagesResumeBitForBit() throws { try play("images resume") }
  func testTheWorkerStopsWithTheTraining() throws { try play("images end") }

  /// A scenario that no test above plays would be dead.
  func testEveryScenarioIsPlayed() {
    XCTAssertEqual(test_scenario_count, 29)
  }
}
