/** The shells that completions are made for. */
export const shells = ['bash', 'zsh', 'fish'] as const

/** A shell that completions are made for. */
export type Shell = (typeof shells)[number]

/**
 * What each shell runs to complete a command line of `kloset`: it asks `kloset completion words`, whose answer is a line for each
 * word, with a tab before what is to say about it, and a line `:files` where names of files fit as well.
 */
export const scripts: Readonly<Record<Shell, string>> = {
  // Bash breaks words at `:`, `=` and `@`, and replaces only what stands behind the last of them.
  bash: `# bash completion for kloset
_kloset() {
  local line="\${COMP_LINE:0:COMP_POINT}" words current broken value rest files=
  read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  current="\${words[\${#words[@]}-1]}"
  broken="\${current%"\${current##*[:=@]}"}"
  COMPREPLY=()
  while IFS=$'\\t' read -r value rest; do
    if [[ "$value" == :files ]]; then files=1
    else COMPREPLY+=("\${value#"$broken"}")
    fi
  done < <(kloset completion words -- "\${words[@]:1}" 2>/dev/null)
  if [[ -n "$files" ]]; then
    compopt -o filenames
    while IFS= read -r value; do COMPREPLY+=("\${value#"$broken"}"); done < <(compgen -f -- "$current")
  fi
  [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == */ ]] && compopt -o nospace
}
complete -F _kloset kloset
`,
  zsh: `#compdef kloset
_kloset() {
  local -a found
  local line value about files=
  while IFS= read -r line; do
    if [[ "$line" == :files ]]; then
      files=1
    else
      value="\${line%%$'\\t'*}"
      about="\${line#*$'\\t'}"
      found+=("\${value//:/\\\\:}\${about:+:$about}")
    fi
  done < <(kloset completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#found} )) && _describe 'kloset' found
  [[ -n "$files" ]] && _files
}
if [[ "$funcstack[1]" == _kloset ]]; then _kloset "$@"; else compdef _kloset kloset; fi
`,
  fish: `# fish completion for kloset
function __kloset_complete
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  for line in (kloset completion words -- $before[2..-1] "$current" 2>/dev/null)
    if test "$line" = :files
      __fish_complete_path "$current"
    else
      echo $line
    end
  end
end
complete -c kloset -f -a '(__kloset_complete)'
`,
}
