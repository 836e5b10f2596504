case $- in
    *i*) ;;
      *) return;;
esac
# >>> conda initialize >>>
# !! Contents within this block are managed by 'conda init' !!
__conda_setup="$('/home/vincent/miniforge3/bin/conda' 'shell.bash' 'hook' 2> /dev/null)"
if [ $? -eq 0 ]; then
    eval "$__conda_setup"
else
    if [ -f "/home/vincent/miniforge3/etc/profile.d/conda.sh" ]; then
        . "/home/vincent/miniforge3/etc/profile.d/conda.sh"
    else
        export PATH="/home/vincent/miniforge3/bin:$PATH"
    fi
fi
unset __conda_setup
# <<< conda initialize <<<
export PYENV_ROOT="$HOME/.pyenv"
export PATH="$PYENV_ROOT/bin:$PATH"
