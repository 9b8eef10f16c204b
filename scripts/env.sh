# Source this file to use the project from its checkout, in bash or zsh:
#
#     source scripts/env.sh
#
# It puts the virtual environment, ROS 2 and the built messages on the paths, with the source tree
# first: an edited Python file counts at once, without a build.

if [ -n "${BASH_SOURCE:-}" ]; then
  _ptr_file="${BASH_SOURCE[0]}"
elif [ -n "${ZSH_VERSION:-}" ]; then
  _ptr_file="${(%):-%x}"
else
  _ptr_file="scripts/env.sh"
fi
_ptr_root="$(cd "$(dirname "$_ptr_file")/.." && pwd)"

if [ ! -x "$_ptr_root/.venv/bin/python" ]; then
  echo "env.sh: expected a virtual environment in $_ptr_root/.venv, found none; run: make setup" >&2
  unset _ptr_file _ptr_root
  return 1
fi

# Put a directory in front of a path variable, once.
_ptr_prepend() {
  eval "_ptr_old=\${$1:-}"
  case ":$_ptr_old:" in
    *":$2:"*) ;;
    *) export "$1=$2${_ptr_old:+:$_ptr_old}" ;;
  esac
}

# A ROS 2 installation chosen by `make setup`; without one, ROS 2 is in the virtual environment.
if [ -r "$_ptr_root/.venv/ros_setup" ]; then
  _ptr_ros="$(cat "$_ptr_root/.venv/ros_setup")"
  if [ -n "${ZSH_VERSION:-}" ]; then _ptr_ros="${_ptr_ros%.bash}.zsh"; fi
  # ROS 2's own script reads unset variables.
  case "$-" in *u*) _ptr_strict=1; set +u ;; *) _ptr_strict= ;; esac
  . "$_ptr_ros"
  if [ -n "$_ptr_strict" ]; then set -u; fi
  unset _ptr_ros _ptr_strict
else
  _ptr_prepend AMENT_PREFIX_PATH "$_ptr_root/.venv"
  _ptr_prepend CMAKE_PREFIX_PATH "$_ptr_root/.venv"
  _ptr_prepend LD_LIBRARY_PATH "$_ptr_root/.venv/lib"
fi

_ptr_prefix="$_ptr_root/install/pose_tracking_ros"
if [ -d "$_ptr_prefix" ]; then
  _ptr_prepend AMENT_PREFIX_PATH "$_ptr_prefix"
  _ptr_prepend CMAKE_PREFIX_PATH "$_ptr_prefix"
  _ptr_prepend LD_LIBRARY_PATH "$_ptr_prefix/lib"
  for _ptr_site in "$_ptr_prefix"/lib/python3*/site-packages \
      "$_ptr_prefix"/local/lib/python3*/dist-packages; do
    if [ -d "$_ptr_site" ]; then _ptr_prepend PYTHONPATH "$_ptr_site"; fi
  done
  unset _ptr_site
fi
_ptr_prepend PYTHONPATH "$_ptr_root"
_ptr_prepend PATH "$_ptr_root/.venv/bin"
export VIRTUAL_ENV="$_ptr_root/.venv"
# Idle OpenMP threads that spin slow a busy machine down several times.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"

unset -f _ptr_prepend
unset _ptr_file _ptr_root _ptr_prefix _ptr_old
