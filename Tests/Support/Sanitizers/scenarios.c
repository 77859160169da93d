/* scenarios.c: plays the runtime's scenarios whose names are given, or all but those, for sanitizers to watch.
 *   scenarios FOLDER NAME…        scenarios FOLDER --without NAME… */
#include "test_models.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  const int without = argc > 2 && strcmp(argv[2], "--without") == 0;
  int failures = 0, played = 0;
  for (size_t index = 0; index < test_scenario_count; ++index) {
    int named = 0;
    for (int i = 2 + without; i < argc; ++i) named |= strcmp(argv[i], test_scenarios[index].name) == 0;
    if (named == without) continue;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/%zu", argv[1], index);
    if (mkdir(folder, 0777) != 0) return 2;
    const char *problem = test_scenarios[index].play(folder);
    if (problem) fprintf(stderr, "%s: %s\n", test_scenarios[index].name, problem);
    failures += problem != 0;
    played += 1;
  }
  printf("%d scenarios, %d failures\n", played, failures);
  return failures || !played;
}
