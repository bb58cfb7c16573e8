# SPDX-License-Identifier: BSD-2-Clause
# Compiler and linker flags. `verbatim_flags` goes to everything, `verbatim_library_flags` to the engine and the doors.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()

set(VERBATIM_SANITIZE "" CACHE STRING "address, thread or undefined, or several with commas; empty for none")

add_library(verbatim_flags INTERFACE)
target_compile_options(verbatim_flags INTERFACE -Wall -Wextra -Werror $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>)
target_compile_definitions(verbatim_flags INTERFACE _GNU_SOURCE)

if(VERBATIM_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELEASE "-O1 -g1 -DNDEBUG")  # Builds in half the time, and stacks have the frames of the source.
  set(sanitizer -fsanitize=${VERBATIM_SANITIZE} -fno-omit-frame-pointer)
  if(VERBATIM_SANITIZE MATCHES undefined)
    # Programs may give any number where C has an enum: it is looked at, not believed. GCC keeps the numbers as they are.
    list(APPEND sanitizer -fno-sanitize-recover=undefined -fno-sanitize=enum)
  endif()
  if(VERBATIM_SANITIZE MATCHES thread)
    list(APPEND sanitizer -Wno-tsan)  # It does not see fences. Ours order atomic variables, which are no races.
  endif()
  target_compile_options(verbatim_flags INTERFACE ${sanitizer})
  target_link_options(verbatim_flags INTERFACE ${sanitizer})
  # An uninstrumented program that loads an instrumented library needs the sanitizer's runtime before everything else.
  string(REGEX REPLACE ",.*" "" runtime ${VERBATIM_SANITIZE})  # Of several the first, which wants to be first.
  string(REGEX REPLACE "address" "asan" runtime ${runtime})
  string(REGEX REPLACE "thread" "tsan" runtime ${runtime})
  string(REGEX REPLACE "undefined" "ubsan" runtime ${runtime})
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=lib${runtime}.so
                  OUTPUT_VARIABLE VERBATIM_SANITIZER_RUNTIME OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()

# -fno-plt with -z now: calls into the engine cost one indirect call, and a preload resolves everything at once.
# initial-exec: thread-local state is one load away. It lives in the C library's static TLS surplus, so keep it small.
# noexcept functions never stand on a cancellation point; see the contracts in src/verbs.
add_library(verbatim_library_flags INTERFACE)
target_link_libraries(verbatim_library_flags INTERFACE verbatim_flags)
target_compile_options(verbatim_library_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-fvisibility=hidden -fvisibility-inlines-hidden>
  $<$<COMPILE_LANGUAGE:CXX>:-fno-plt -fno-semantic-interposition -ftls-model=initial-exec>)
target_link_options(verbatim_library_flags INTERFACE
  -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL -Wl,-Bsymbolic -Wl,-z,now -Wl,-z,relro
  -Wl,--hash-style=gnu -Wl,-O1 -Wl,--as-needed -Wl,--gc-sections)
if(NOT VERBATIM_SANITIZE)
  target_link_options(verbatim_library_flags INTERFACE -Wl,-z,defs)
endif()

find_path(LIBFABRIC_INCLUDE_DIR rdma/fabric.h REQUIRED)       # headers only: libfabric is opened at first use
find_path(IBVERBS_INCLUDE_DIR infiniband/verbs.h REQUIRED)    # headers only: we are the library
find_library(NETTLE_LIBRARY NAMES libnettle.a REQUIRED)       # static: what is loaded into programs needs libc only
find_path(RDMACM_INCLUDE_DIR rdma/rdma_cma.h REQUIRED)

# verbatim_precompile(<target>): halves the time that its C++ takes to compile. OFF shows a file that includes too little.
option(VERBATIM_PRECOMPILE "Precompile the headers that most sources need" ON)
function(verbatim_precompile target)
  if(VERBATIM_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${PROJECT_SOURCE_DIR}/src/base/precompiled.h>")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)  # for ccache
    # False positives of GCC 12 in the library's strings, which a precompiled header no longer hides.
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANGUAGE:CXX>:-Wno-error=array-bounds -Wno-error=restrict -Wno-error=stringop-overflow>)
  endif()
endfunction()
