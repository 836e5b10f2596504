alias x86='arch -x86_64 zsh --login'
alias arm='arch -arm64 zsh --login'
