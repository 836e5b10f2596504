plugins=(git)
source $ZSH/oh-my-zsh.sh
export BAT_THEME=tokyonight_night
export PYTHONPATH=/opt/homebrew/lib/python3.12/site-packages
export EDITOR=nvim
# >>> conda initialize >>>
# !! Contents within this block are managed by 'conda init' !!
__conda_setup="$('/Users/anna/miniforge3/bin/conda' 'shell.zsh' 'hook' 2> /dev/null)"
if [ $? -eq 0 ]; then
    eval "$__conda_setup"
else
    if [ -f "/Users/anna/miniforge3/etc/profile.d/conda.sh" ]; then
        . "/Users/anna/miniforge3/etc/profile.d/conda.sh"
    else
        export PATH="/Users/anna/miniforge3/bin:$PATH"
    fi
fi
unset __conda_setup
# <<< conda initialize <<<
