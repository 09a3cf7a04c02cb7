// The scripts that `millrace completion` prints. Each asks `millrace __complete -- <words> <current>`, which answers a candidate
// a line, value and description with a tab between, and a last line ":files" where names of files may stand.

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

export const FILES_LINE = ":files";

// bash cuts words at = and : too, but knows only how to replace the last piece: what stands before it is taken off the answers.
const bash = `# bash completion of millrace. Load it:  source <(millrace completion bash)
# or keep it:  millrace completion bash > ~/.local/share/bash-completion/completions/millrace
_millrace() {
  local line=\${COMP_LINE:0:COMP_POINT} words word piece=\${COMP_WORDS[COMP_CWORD]} value about
  read -a words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  word=\${words[-1]}
  # A piece that is only a separator is not replaced: the value begins behind it.
  [[ $piece == [=:] ]] && piece=""
  local cut=$(( \${#word} - \${#piece} ))
  COMPREPLY=()
  while IFS=$'\\t' read -r value about; do
    if [[ $value == ${FILES_LINE} ]]; then
      compopt -o filenames 2> /dev/null
      local file
      while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen -f -- "$piece")
    elif [[ -n $value ]]; then
      [[ $value == *= ]] && compopt -o nospace 2> /dev/null
      COMPREPLY+=("\${value:cut}")
    fi
  done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2> /dev/null)
}
complete -F _millrace millrace
`;

const zsh = `#compdef millrace
# zsh completion of millrace. Load it (after compinit):  source <(millrace completion zsh)
# or keep it as _millrace in a directory of $fpath.
_millrace() {
  local -a values shown open openShown
  local line value about files=0
  for line in "\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2> /dev/null)}"; do
    [[ -z $line ]] && continue
    if [[ $line == ${FILES_LINE} ]]; then files=1; continue; fi
    value=\${line%%$'\\t'*}
    about=\${line#*$'\\t'}
    if [[ $value == *= ]]; then
      open+=("$value"); openShown+=("$value  $about")
    else
      values+=("$value"); shown+=("$value  $about")
    fi
  done
  (( \${#values} )) && compadd -l -d shown -- "\${(@)values}"
  (( \${#open} )) && compadd -S '' -l -d openShown -- "\${(@)open}"
  (( files )) && _files
  return 0
}
compdef _millrace millrace
`;

const fish = `# fish completion of millrace. Load it:  millrace completion fish | source
# or keep it:  millrace completion fish > ~/.config/fish/completions/millrace.fish
function __millrace_complete
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  for line in ($before[1] __complete -- $before[2..-1] "$current" 2> /dev/null)
    if test "$line" = "${FILES_LINE}"
      __fish_complete_path "$current"
    else
      echo $line
    end
  end
end
complete -c millrace -f -a '(__millrace_complete)'
`;

export const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };
