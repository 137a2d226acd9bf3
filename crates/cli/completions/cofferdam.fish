# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_cofferdam_global_optspecs
    string join \n h/help V/version
end

function __fish_cofferdam_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_cofferdam_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_cofferdam_using_subcommand
    set -l cmd (__fish_cofferdam_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c cofferdam -n "__fish_cofferdam_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -s V -l version -d 'Print version'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "run" -d 'Runs a command in a sandbox'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "shell" -d 'Opens a shell in a sandbox, on this terminal'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "plan" -d 'Prints what run would do, and runs nothing'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "diff" -d 'Shows what a snapshot changes, or what two have different'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "snapshot" -d 'Lists, removes and applies what run --save has kept'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "audit" -d 'Shows, verifies and reports what runs have recorded'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "why" -d 'Says what the last run was denied and what would allow it'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "image" -d 'Unpacks, lists and removes the images that --image uses'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "doctor" -d 'Says what this host offers, layer by layer'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "policy" -d 'Checks and prints policies'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "completions" -d 'Prints the completions for a shell'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "man" -d 'Prints the man page'
complete -c cofferdam -n "__fish_cofferdam_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -s w -l workspace -d 'The working directory: writable, at the same path inside' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l upper -d 'Where overlays keep what is written: SIZE of memory (1GiB unless said), or the disk, in DIR' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l read -d 'Show a path, with all below it, read-only' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l write -d 'Show a path, with all below it, writable' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l hide -d 'Hide a path below one that is shown' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l protect -d 'Make this name, relative to the workspace, read-only as well' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l unprotect -d 'Leave this one of the dangerous names writable, such as .vscode or .git/hooks' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l root -d 'The system in this directory instead of the host\'s' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l image -d 'The system in this image instead of the host\'s: an OCI layout, a directory or tar file, and after `#` the name or digest of one of several in it' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l root-access -d 'What may be done with a --root or --image: be written to an overlay that is thrown away, or be read only' -r -f -a "read\t'Nothing is written to it'
overlay\t'What is written to it is gone after the run'"
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -s e -l env -d 'Set a variable, or pass the host\'s value of it on' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l network -d 'The network: none, nothing but a loopback interface; host, the host\'s; or the names and addresses that can be reached, each with an option of its own, such as example.com:443, *.example.com, 10.0.0.0/8:5432, [2001:db8::1]:80, or \'api.example.com GET,HEAD /repos/**\' for some HTTP requests only' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l deny-network -d 'Deny what such a rule means, whatever is allowed' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l secret -d 'Give the program a placeholder in the variable NAME, and put the secret in its place on the way out to HOST. SOURCE is env:VARIABLE (the one of the same name unless said), file:PATH, command:PROGRAM ARGUMENTS, or provider:NAME; PLACE is bearer, basic, header=NAME or query=NAME. Such as GITHUB_TOKEN@bearer:api.example.com; again with the same NAME for another HOST' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l publish -d 'Let the host connect to a port of the sandbox, at 127.0.0.1 and the same port unless said' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l forward -d 'Let the program reach a service of the host: INSIDE is a port or the path of a socket, HOST a port, ADDRESS:PORT or the path of a socket; a port alone is that of the host\'s loopback interface' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l ssh-agent -d 'Let the program sign with this key of the host\'s ssh-agent, as ssh-add -l prints it' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l memory -d 'Memory of all processes together, such as 512MiB' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l processes -d 'Processes and threads at one time' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l cpus -d 'Processors\' worth of time, such as 1.5' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l timeout -d 'Kill everything after this time, such as 30s or 1h30m' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -s p -l policy -d 'Start from this policy, TOML or (named *.json) JSON; its relative paths are taken from its folder, and the options here are added on top' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l restrict -d 'Allow only what this policy allows as well; it can tighten and never widen' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l syscalls -d 'The system call profile: default, strict, or an OCI or Docker profile as a JSON file' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l allow -d 'Allow what the profile refuses: ptrace, nested-namespaces, io-uring, userfaultfd, perf-events, keyring' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l require -d 'Run nothing without this layer (what all layers have by default): namespaces, filesystem, seccomp, landlock, cgroup, network' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l prefer -d 'Go on without what this host does not offer of this layer' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l off -d 'Leave this layer out' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l apply -d 'Apply these changes without asking: `all` or `none`, or what a pattern names, with all below it; `*` stands for anything in a name and `**` for any directories. What is risky is left out' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l save -d 'Keep the changes as a snapshot of this name instead of applying any' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l from -d 'Start with the changes of this snapshot' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l record -d 'Record what happens in this file, continuing it if it is a record; without this option each run has a file of its own in the directory for such things, where the last 100 are kept' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l learn -d 'Write a policy with what the command uses to FILE. The command is let to use the files of this user as without a sandbox, and really changes them; only its network, its processes and the services of the host are kept from it. The working directory becomes the workspace unless --workspace names another' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l overlay -d 'Keep what is written to the workspace apart from the host\'s files, in an overlay; afterwards the changes are shown, and applied as --apply or a person at the terminal says'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l toolchains -d 'Show the toolchains kept in the home (rustup, pyenv, nvm and the like) read-only, without the credentials beside them'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l no-toolchains -d 'Do not show them, whatever the policy file says'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l no-protect -d 'Leave the dangerous names of the workspace (git hooks, editor and agent configuration and the like) writable'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l package-clients -d 'Allow what the package clients of this host (pip, npm, cargo, apt, go) are configured to use'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l apply-risky -d 'With --apply, apply what is risky as well: names that programs obey, new programs, links that lead out, odd names'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l diff -d 'Show how texts changed'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -s t -l tty -d 'Give the command a terminal of its own, which this one passes on to; without a terminal here it has 24 lines of 80 characters'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l trace -d 'Record as well which files of the host the command asks for and does not get, for `cofferdam why`; each call that names a file takes about 10 µs more'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l kernel-log -d 'Record as well what Landlock refuses, as the kernel\'s audit log tells it: as root, on the host itself, where that log is switched on (auditctl -e 1)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l no-record -d 'Record nothing'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l force -d 'Replace FILE if it is there'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l enforcement -d 'Print what was in force, layer by layer, to standard error after the run'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -l usage -d 'Print the time and memory used to standard error after the run'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -s w -l workspace -d 'The working directory: writable, at the same path inside' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l upper -d 'Where overlays keep what is written: SIZE of memory (1GiB unless said), or the disk, in DIR' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l read -d 'Show a path, with all below it, read-only' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l write -d 'Show a path, with all below it, writable' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l hide -d 'Hide a path below one that is shown' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l protect -d 'Make this name, relative to the workspace, read-only as well' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l unprotect -d 'Leave this one of the dangerous names writable, such as .vscode or .git/hooks' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l root -d 'The system in this directory instead of the host\'s' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l image -d 'The system in this image instead of the host\'s: an OCI layout, a directory or tar file, and after `#` the name or digest of one of several in it' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l root-access -d 'What may be done with a --root or --image: be written to an overlay that is thrown away, or be read only' -r -f -a "read\t'Nothing is written to it'
overlay\t'What is written to it is gone after the run'"
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -s e -l env -d 'Set a variable, or pass the host\'s value of it on' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l network -d 'The network: none, nothing but a loopback interface; host, the host\'s; or the names and addresses that can be reached, each with an option of its own, such as example.com:443, *.example.com, 10.0.0.0/8:5432, [2001:db8::1]:80, or \'api.example.com GET,HEAD /repos/**\' for some HTTP requests only' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l deny-network -d 'Deny what such a rule means, whatever is allowed' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l secret -d 'Give the program a placeholder in the variable NAME, and put the secret in its place on the way out to HOST. SOURCE is env:VARIABLE (the one of the same name unless said), file:PATH, command:PROGRAM ARGUMENTS, or provider:NAME; PLACE is bearer, basic, header=NAME or query=NAME. Such as GITHUB_TOKEN@bearer:api.example.com; again with the same NAME for another HOST' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l publish -d 'Let the host connect to a port of the sandbox, at 127.0.0.1 and the same port unless said' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l forward -d 'Let the program reach a service of the host: INSIDE is a port or the path of a socket, HOST a port, ADDRESS:PORT or the path of a socket; a port alone is that of the host\'s loopback interface' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l ssh-agent -d 'Let the program sign with this key of the host\'s ssh-agent, as ssh-add -l prints it' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l memory -d 'Memory of all processes together, such as 512MiB' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l processes -d 'Processes and threads at one time' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l cpus -d 'Processors\' worth of time, such as 1.5' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l timeout -d 'Kill everything after this time, such as 30s or 1h30m' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -s p -l policy -d 'Start from this policy, TOML or (named *.json) JSON; its relative paths are taken from its folder, and the options here are added on top' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l restrict -d 'Allow only what this policy allows as well; it can tighten and never widen' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l syscalls -d 'The system call profile: default, strict, or an OCI or Docker profile as a JSON file' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l allow -d 'Allow what the profile refuses: ptrace, nested-namespaces, io-uring, userfaultfd, perf-events, keyring' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l require -d 'Run nothing without this layer (what all layers have by default): namespaces, filesystem, seccomp, landlock, cgroup, network' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l prefer -d 'Go on without what this host does not offer of this layer' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l off -d 'Leave this layer out' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l apply -d 'Apply these changes without asking: `all` or `none`, or what a pattern names, with all below it; `*` stands for anything in a name and `**` for any directories. What is risky is left out' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l save -d 'Keep the changes as a snapshot of this name instead of applying any' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l from -d 'Start with the changes of this snapshot' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l record -d 'Record what happens in this file, continuing it if it is a record; without this option each run has a file of its own in the directory for such things, where the last 100 are kept' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l overlay -d 'Keep what is written to the workspace apart from the host\'s files, in an overlay; afterwards the changes are shown, and applied as --apply or a person at the terminal says'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l toolchains -d 'Show the toolchains kept in the home (rustup, pyenv, nvm and the like) read-only, without the credentials beside them'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l no-toolchains -d 'Do not show them, whatever the policy file says'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l no-protect -d 'Leave the dangerous names of the workspace (git hooks, editor and agent configuration and the like) writable'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l package-clients -d 'Allow what the package clients of this host (pip, npm, cargo, apt, go) are configured to use'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l apply-risky -d 'With --apply, apply what is risky as well: names that programs obey, new programs, links that lead out, odd names'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l diff -d 'Show how texts changed'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l trace -d 'Record as well which files of the host the command asks for and does not get, for `cofferdam why`; each call that names a file takes about 10 µs more'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l kernel-log -d 'Record as well what Landlock refuses, as the kernel\'s audit log tells it: as root, on the host itself, where that log is switched on (auditctl -e 1)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l no-record -d 'Record nothing'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l enforcement -d 'Print what was in force, layer by layer, to standard error after the run'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -l usage -d 'Print the time and memory used to standard error after the run'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand shell" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -s w -l workspace -d 'The working directory: writable, at the same path inside' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l upper -d 'Where overlays keep what is written: SIZE of memory (1GiB unless said), or the disk, in DIR' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l read -d 'Show a path, with all below it, read-only' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l write -d 'Show a path, with all below it, writable' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l hide -d 'Hide a path below one that is shown' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l protect -d 'Make this name, relative to the workspace, read-only as well' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l unprotect -d 'Leave this one of the dangerous names writable, such as .vscode or .git/hooks' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l root -d 'The system in this directory instead of the host\'s' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l image -d 'The system in this image instead of the host\'s: an OCI layout, a directory or tar file, and after `#` the name or digest of one of several in it' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l root-access -d 'What may be done with a --root or --image: be written to an overlay that is thrown away, or be read only' -r -f -a "read\t'Nothing is written to it'
overlay\t'What is written to it is gone after the run'"
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -s e -l env -d 'Set a variable, or pass the host\'s value of it on' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l network -d 'The network: none, nothing but a loopback interface; host, the host\'s; or the names and addresses that can be reached, each with an option of its own, such as example.com:443, *.example.com, 10.0.0.0/8:5432, [2001:db8::1]:80, or \'api.example.com GET,HEAD /repos/**\' for some HTTP requests only' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l deny-network -d 'Deny what such a rule means, whatever is allowed' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l secret -d 'Give the program a placeholder in the variable NAME, and put the secret in its place on the way out to HOST. SOURCE is env:VARIABLE (the one of the same name unless said), file:PATH, command:PROGRAM ARGUMENTS, or provider:NAME; PLACE is bearer, basic, header=NAME or query=NAME. Such as GITHUB_TOKEN@bearer:api.example.com; again with the same NAME for another HOST' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l publish -d 'Let the host connect to a port of the sandbox, at 127.0.0.1 and the same port unless said' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l forward -d 'Let the program reach a service of the host: INSIDE is a port or the path of a socket, HOST a port, ADDRESS:PORT or the path of a socket; a port alone is that of the host\'s loopback interface' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l ssh-agent -d 'Let the program sign with this key of the host\'s ssh-agent, as ssh-add -l prints it' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l memory -d 'Memory of all processes together, such as 512MiB' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l processes -d 'Processes and threads at one time' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l cpus -d 'Processors\' worth of time, such as 1.5' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l timeout -d 'Kill everything after this time, such as 30s or 1h30m' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -s p -l policy -d 'Start from this policy, TOML or (named *.json) JSON; its relative paths are taken from its folder, and the options here are added on top' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l restrict -d 'Allow only what this policy allows as well; it can tighten and never widen' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l syscalls -d 'The system call profile: default, strict, or an OCI or Docker profile as a JSON file' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l allow -d 'Allow what the profile refuses: ptrace, nested-namespaces, io-uring, userfaultfd, perf-events, keyring' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l require -d 'Run nothing without this layer (what all layers have by default): namespaces, filesystem, seccomp, landlock, cgroup, network' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l prefer -d 'Go on without what this host does not offer of this layer' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l off -d 'Leave this layer out' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l apply -d 'Apply these changes without asking: `all` or `none`, or what a pattern names, with all below it; `*` stands for anything in a name and `**` for any directories. What is risky is left out' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l save -d 'Keep the changes as a snapshot of this name instead of applying any' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l from -d 'Start with the changes of this snapshot' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l record -d 'Taken so that a run\'s line can be repeated; changes nothing' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l overlay -d 'Keep what is written to the workspace apart from the host\'s files, in an overlay; afterwards the changes are shown, and applied as --apply or a person at the terminal says'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l toolchains -d 'Show the toolchains kept in the home (rustup, pyenv, nvm and the like) read-only, without the credentials beside them'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l no-toolchains -d 'Do not show them, whatever the policy file says'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l no-protect -d 'Leave the dangerous names of the workspace (git hooks, editor and agent configuration and the like) writable'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l package-clients -d 'Allow what the package clients of this host (pip, npm, cargo, apt, go) are configured to use'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l apply-risky -d 'With --apply, apply what is risky as well: names that programs obey, new programs, links that lead out, odd names'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l diff -d 'Show how texts changed'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l json -d 'Print JSON'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -s t -l tty -d 'Taken so that a run\'s line can be repeated; changes nothing'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l no-record -d 'Taken so that a run\'s line can be repeated; changes nothing'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l trace -d 'Taken so that a run\'s line can be repeated; changes nothing'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l kernel-log -d 'Taken so that a run\'s line can be repeated; changes nothing'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l enforcement -d 'Taken so that a run\'s line can be repeated; changes nothing'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -l usage -d 'Taken so that a run\'s line can be repeated; changes nothing'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and not __fish_seen_subcommand_from list remove apply help" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and not __fish_seen_subcommand_from list remove apply help" -f -a "list" -d 'Prints the names of all snapshots'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and not __fish_seen_subcommand_from list remove apply help" -f -a "remove" -d 'Removes a snapshot'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and not __fish_seen_subcommand_from list remove apply help" -f -a "apply" -d 'Applies what a snapshot holds to the host\'s files; the snapshot stays'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and not __fish_seen_subcommand_from list remove apply help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -l apply-risky -d 'Apply what is risky as well'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -l diff -d 'Show how texts changed'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "list" -d 'Prints the names of all snapshots'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Removes a snapshot'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "apply" -d 'Applies what a snapshot holds to the host\'s files; the snapshot stays'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and not __fish_seen_subcommand_from verify show report list help" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and not __fish_seen_subcommand_from verify show report list help" -f -a "verify" -d 'Says whether a record is whole, and where it breaks if not'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and not __fish_seen_subcommand_from verify show report list help" -f -a "show" -d 'Prints the events of a record'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and not __fish_seen_subcommand_from verify show report list help" -f -a "report" -d 'Writes a record as one page for a browser'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and not __fish_seen_subcommand_from verify show report list help" -f -a "list" -d 'Prints the names of the records that runs have left'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and not __fish_seen_subcommand_from verify show report list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from verify" -l key -d 'The key that must have signed it, as 64 hexadecimal digits' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from verify" -l head -d 'A signature that it had before, as --json printed it: it must still be there' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from verify" -l json -d 'Print JSON'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from show" -l type -d 'Only events of this type, such as exec or network; can be repeated' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from show" -l session -d 'Only events of this session' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from show" -l command -d 'Only events of this command' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from show" -l span -d 'Only events under the tool call with this span' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from show" -l text -d 'Only events in which this text occurs' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from show" -l denied -d 'Only what was denied'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from show" -s f -l follow -d 'Wait for more'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from show" -l json -d 'Print the lines of the record as they are'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from report" -s o -l output -d 'Where to; a file that exists is replaced' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from report" -l title -d 'The heading of the page' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from report" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Says whether a record is whole, and where it breaks if not'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "show" -d 'Prints the events of a record'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "report" -d 'Writes a record as one page for a browser'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "list" -d 'Prints the names of the records that runs have left'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand why" -l for-model -d 'Print what a model is to be told, a line each'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and not __fish_seen_subcommand_from list remove unpack help" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and not __fish_seen_subcommand_from list remove unpack help" -f -a "list" -d 'Prints the digests of the images that are unpacked'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and not __fish_seen_subcommand_from list remove unpack help" -f -a "remove" -d 'Removes an unpacked image'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and not __fish_seen_subcommand_from list remove unpack help" -f -a "unpack" -d 'Unpacks an image, so that the first run need not, and prints its digest'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and not __fish_seen_subcommand_from list remove unpack help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and __fish_seen_subcommand_from unpack" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "list" -d 'Prints the digests of the images that are unpacked'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Removes an unpacked image'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "unpack" -d 'Unpacks an image, so that the first run need not, and prints its digest'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand doctor" -l json -d 'Print JSON'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and not __fish_seen_subcommand_from schema check print help" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and not __fish_seen_subcommand_from schema check print help" -f -a "schema" -d 'Prints the JSON schema of a policy file'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and not __fish_seen_subcommand_from schema check print help" -f -a "check" -d 'Checks policy files; exit code 1 when one has a defect'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and not __fish_seen_subcommand_from schema check print help" -f -a "print" -d 'Prints the policy that run\'s options make'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and not __fish_seen_subcommand_from schema check print help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -s w -l workspace -d 'The working directory: writable, at the same path inside' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l upper -d 'Where overlays keep what is written: SIZE of memory (1GiB unless said), or the disk, in DIR' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l read -d 'Show a path, with all below it, read-only' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l write -d 'Show a path, with all below it, writable' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l hide -d 'Hide a path below one that is shown' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l protect -d 'Make this name, relative to the workspace, read-only as well' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l unprotect -d 'Leave this one of the dangerous names writable, such as .vscode or .git/hooks' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l root -d 'The system in this directory instead of the host\'s' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l image -d 'The system in this image instead of the host\'s: an OCI layout, a directory or tar file, and after `#` the name or digest of one of several in it' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l root-access -d 'What may be done with a --root or --image: be written to an overlay that is thrown away, or be read only' -r -f -a "read\t'Nothing is written to it'
overlay\t'What is written to it is gone after the run'"
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -s e -l env -d 'Set a variable, or pass the host\'s value of it on' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l network -d 'The network: none, nothing but a loopback interface; host, the host\'s; or the names and addresses that can be reached, each with an option of its own, such as example.com:443, *.example.com, 10.0.0.0/8:5432, [2001:db8::1]:80, or \'api.example.com GET,HEAD /repos/**\' for some HTTP requests only' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l deny-network -d 'Deny what such a rule means, whatever is allowed' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l secret -d 'Give the program a placeholder in the variable NAME, and put the secret in its place on the way out to HOST. SOURCE is env:VARIABLE (the one of the same name unless said), file:PATH, command:PROGRAM ARGUMENTS, or provider:NAME; PLACE is bearer, basic, header=NAME or query=NAME. Such as GITHUB_TOKEN@bearer:api.example.com; again with the same NAME for another HOST' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l publish -d 'Let the host connect to a port of the sandbox, at 127.0.0.1 and the same port unless said' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l forward -d 'Let the program reach a service of the host: INSIDE is a port or the path of a socket, HOST a port, ADDRESS:PORT or the path of a socket; a port alone is that of the host\'s loopback interface' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l ssh-agent -d 'Let the program sign with this key of the host\'s ssh-agent, as ssh-add -l prints it' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l memory -d 'Memory of all processes together, such as 512MiB' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l processes -d 'Processes and threads at one time' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l cpus -d 'Processors\' worth of time, such as 1.5' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l timeout -d 'Kill everything after this time, such as 30s or 1h30m' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -s p -l policy -d 'Start from this policy, TOML or (named *.json) JSON; its relative paths are taken from its folder, and the options here are added on top' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l restrict -d 'Allow only what this policy allows as well; it can tighten and never widen' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l syscalls -d 'The system call profile: default, strict, or an OCI or Docker profile as a JSON file' -r -F
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l allow -d 'Allow what the profile refuses: ptrace, nested-namespaces, io-uring, userfaultfd, perf-events, keyring' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l require -d 'Run nothing without this layer (what all layers have by default): namespaces, filesystem, seccomp, landlock, cgroup, network' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l prefer -d 'Go on without what this host does not offer of this layer' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l off -d 'Leave this layer out' -r
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l overlay -d 'Keep what is written to the workspace apart from the host\'s files, in an overlay; afterwards the changes are shown, and applied as --apply or a person at the terminal says'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l toolchains -d 'Show the toolchains kept in the home (rustup, pyenv, nvm and the like) read-only, without the credentials beside them'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l no-toolchains -d 'Do not show them, whatever the policy file says'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l no-protect -d 'Leave the dangerous names of the workspace (git hooks, editor and agent configuration and the like) writable'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l package-clients -d 'Allow what the package clients of this host (pip, npm, cargo, apt, go) are configured to use'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -l json -d 'Print JSON instead of TOML'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from print" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "schema" -d 'Prints the JSON schema of a policy file'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "check" -d 'Checks policy files; exit code 1 when one has a defect'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "print" -d 'Prints the policy that run\'s options make'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand completions" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand man" -s h -l help -d 'Print help'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "run" -d 'Runs a command in a sandbox'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "shell" -d 'Opens a shell in a sandbox, on this terminal'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "plan" -d 'Prints what run would do, and runs nothing'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "diff" -d 'Shows what a snapshot changes, or what two have different'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "snapshot" -d 'Lists, removes and applies what run --save has kept'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "audit" -d 'Shows, verifies and reports what runs have recorded'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "why" -d 'Says what the last run was denied and what would allow it'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "image" -d 'Unpacks, lists and removes the images that --image uses'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "doctor" -d 'Says what this host offers, layer by layer'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "policy" -d 'Checks and prints policies'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "completions" -d 'Prints the completions for a shell'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "man" -d 'Prints the man page'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and not __fish_seen_subcommand_from run shell plan diff snapshot audit why image doctor policy completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "list" -d 'Prints the names of all snapshots'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "remove" -d 'Removes a snapshot'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "apply" -d 'Applies what a snapshot holds to the host\'s files; the snapshot stays'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "verify" -d 'Says whether a record is whole, and where it breaks if not'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "show" -d 'Prints the events of a record'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "report" -d 'Writes a record as one page for a browser'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "list" -d 'Prints the names of the records that runs have left'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from image" -f -a "list" -d 'Prints the digests of the images that are unpacked'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from image" -f -a "remove" -d 'Removes an unpacked image'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from image" -f -a "unpack" -d 'Unpacks an image, so that the first run need not, and prints its digest'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "schema" -d 'Prints the JSON schema of a policy file'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "check" -d 'Checks policy files; exit code 1 when one has a defect'
complete -c cofferdam -n "__fish_cofferdam_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "print" -d 'Prints the policy that run\'s options make'
