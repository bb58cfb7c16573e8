# SPDX-License-Identifier: BSD-2-Clause
# verbatim_test(<name> <command>...): a ctest with a time limit. Tests run in parallel, so they must not share ports,
# files or devices; give a test that measures time the property RUN_SERIAL.
set(VERBATIM_TEST_TIMEOUT 120)
if(VERBATIM_SANITIZE)
  set(VERBATIM_TEST_TIMEOUT 600)
endif()

# What every test's environment holds, sanitizer options above all.
set(VERBATIM_TEST_ENVIRONMENT
  "VERBATIM_TEST_LIBDIR=${PROJECT_BINARY_DIR}/lib/verbatim"
  "VERBATIM_TEST_LAUNCHER=${PROJECT_BINARY_DIR}/bin/verbatim")
if(VERBATIM_SANITIZE)
  # Leaks are looked for where the whole process is ours (the unit tests), not inside preloaded foreign programs.
  list(APPEND VERBATIM_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_leaks=0:handle_segv=0:use_sigaltstack=0:abort_on_error=1"
    "TSAN_OPTIONS=halt_on_error=1:die_after_fork=0:suppressions=${PROJECT_SOURCE_DIR}/tests/sanitizers/tsan.supp"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1")
endif()

function(verbatim_test name)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${VERBATIM_TEST_TIMEOUT}
    SKIP_RETURN_CODE 77
    ENVIRONMENT "${VERBATIM_TEST_ENVIRONMENT}")
endfunction()
