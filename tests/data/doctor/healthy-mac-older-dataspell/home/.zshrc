## >>> conda initialize >>>
# # !! Contents within this block are managed by 'conda init' !!
# __conda_setup="$('/Users/anna/anaconda3/bin/conda' 'shell.zsh' 'hook' 2> /dev/null)"
# if [ $? -eq 0 ]; then
#     eval "$__conda_setup"
# else
#     if [ -f "/Users/anna/anaconda3/etc/profile.d/conda.sh" ]; then
#         . "/Users/anna/anaconda3/etc/profile.d/conda.sh"
#     else
#         export PATH="/Users/anna/anaconda3/bin:$PATH"
#     fi
# fi
# unset __conda_setup
# # <<< conda initialize <<<
# 
for d in $HOME/miniforge3 /opt/homebrew/Caskroom/miniforge/base; do
  [ -f "$d/etc/profile.d/conda.sh" ] && . "$d/etc/profile.d/conda.sh" && break
done
