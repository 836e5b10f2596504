# >>> conda initialize >>>
CONDA_DIR=""
for candidate in "$CONDA_PREFIX" "$HOME/miniforge3" "$HOME/miniconda3"; do
  if [ -f "$candidate/bin/conda" ]; then
    CONDA_DIR="$candidate"
    break
  fi
done
. "$CONDA_DIR/etc/profile.d/conda.sh"
# <<< conda initialize <<<
