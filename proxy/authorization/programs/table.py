"""What the programs that people list can do beyond what listing them means.

A table, by the base name of the program; a version at its end does not matter. A program that is a
`Bar` is refused as a whole: running whatever it is told is all that it does. A rule that names its
subcommands is how an operator opens a part of it. A program that is not here is judged as UNLISTED:
its words as paths, and options by their names. The sources are the manuals of the programs; the
notation is that of `spec`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from proxy.authorization.programs.awk import AWK
from proxy.authorization.programs.destinations import (
    ARCHIVE,
    DATA,
    ENCODED,
    FORM,
    REPOSITORY,
    URL,
    WRITE_OUT,
)
from proxy.authorization.programs.meanings import (
    ADDRESS,
    COMMAND_OF_REDIS,
    DATABASE_FILE,
    DIRECT,
    FLAG_OF_RUSTC,
    HOST,
    KEY,
    KEY_TYPE,
    LOCATION,
    MAIN_CLASS,
    NATIVE,
    NUMBER,
    PAGING,
    PROCESS,
    REPORT,
    SCRIPT_NAME,
    SETTING_OF_PYTHON,
    STRATEGY,
    TASK_OF_RAKE,
    UPLOAD,
    YAML,
)
from proxy.authorization.programs.projects import (
    COLLECTOR,
    PACKAGES,
    PROJECT_FOLDER,
    SETS,
    SETTING,
    USUAL_TASK,
    WAITS,
)
from proxy.authorization.programs.readers import (
    ANY,
    ASSIGNED,
    DATABASE,
    DEFINITION,
    FORMAT,
    GOAL,
    GOAL_OF_MAVEN,
    JQ,
    LINKER,
    MAKEFILE,
    MEMBER,
    NO_PLUGIN,
    NOTHING,
    PACKAGE,
    PLACEHOLDER,
    QUERY,
    REVISION,
    SCRIPT,
    SETTINGS,
    SHELL_SCRIPT,
    WARNING,
)
from proxy.authorization.programs.sed import SED
from proxy.authorization.programs.spec import (
    ARGUMENT,
    ASKS,
    CONNECTS,
    INPUT,
    LOADS,
    PATH,
    READS,
    RUNS,
    TEXT,
    WRITES,
    Bar,
    Spec,
)

_T = TypeVar("_T")

PROJECT = "runs the project's own code"

UNLISTED = Spec(operands=(ANY,))


def _each(names: str, known: _T) -> Mapping[str, _T]:
    """The same of all these."""
    return dict.fromkeys(names.split(), known)


_FILES = Spec()
_WORDS = Spec(operands=(TEXT,), options="--help --version")
_INERT = Spec(operands=(TEXT,), inert=True)
_RUN = Spec(operands=(ARGUMENT,), note=PROJECT)
_NO_PACKAGE = Bar("fetches and runs the code of others")
_SUMS = Spec(options="-a= --algorithm= -l= --length= -b -t -c -w -z --tag --check --binary --text")

# Words that never name a file, and programs that only look.
_PLAIN: Mapping[str, Spec | Bar] = {
    **_each("echo true false seq expr basename dirname", _INERT),
    **_each(
        "sleep id groups whoami w uname arch nproc tty free factor numfmt pgrep"
        " pidof kill cal lscpu lsmem vmstat iostat which locale getconf yes tput printenv"
        " logname hostid lsb_release ping host nslookup traceroute whereis whatis apropos tldr"
        " clear pwd jobs wait umask ulimit times dirs popd shift return exit",
        _WORDS,
    ),
    **_each("who users uptime pinky", Spec()),
    "printf": Spec(operands=(TEXT,), inert=True, writes="-v"),
    "test": Spec(operands=(PATH,), single=True, runs="-v -R"),
    "[": Spec(operands=(PATH,), single=True, runs="-v -R"),
    "tr": Spec(operands=(TEXT,), options="-c -C -d -s -t"),
    "hostname": Spec(operands=(TEXT,), options="-a -d -f -i -I -s -A", reads="-F --file -b"),
    "date": Spec(
        options="-d= --date= -r: --reference: -u -I?= -R --rfc-3339= --iso-8601?= -j -v= -z=",
        operands=(TEXT,),
        reads="-f --file",
        writes="-s --set",
    ),
    "getent": Spec(operands=(DATABASE, TEXT)),
    "ps": Spec(
        options="-o= -O= -p= -q= -u= -U= -g= -G= -t= -C= -s= --format= --sort= --pid= --user=",
        operands=(PROCESS,),
    ),
    "top": Spec(options="-b -n= -d= -p= -u= -U= -o= -w?= -H -c -i -s", operands=(TEXT,)),
    "dig": Spec(operands=(TEXT,), options="-p= -t= -c= -x= -q= -4 -6", reads="-f -k"),
    "last": Spec(
        operands=(TEXT,),
        options="-n= --limit= -p= --present= -s= --since= -t= --until= --time-format= -a -d -F -i"
        " -R -w -x",
        reads="-f --file",
    ),
    "hostnamectl": Spec(subcommands={"status": _WORDS}, closed=True),
    "timedatectl": Spec(
        subcommands={
            "status": _WORDS,
            "list-timezones": Spec(options="--no-pager", demands="--no-pager"),
        }
    ),
    "command": Spec(inner=0, closed=True, options="-v -V -p", alone="-v -V", operands=(TEXT,)),
    "type": _WORDS,
    "lsblk": Spec(options="-e= --exclude= -I= --include= -o= --output= -x= --sort= -M -T?"),
}

# Files, read and written where the call says.
_TEXTS: Mapping[str, Spec | Bar] = {
    **_each(
        "cat ls dir vdir rev wdiff cmp comm tsort sum cksum fold fmt expand unexpand pr realpath"
        " readlink stat file du df tree touch mkdir rmdir mkfifo unlink link sync truncate cp"
        " mv ln rm chmod chown chgrp shred cd pushd pathchk mktemp namei b2sum tee"
        " hexyl exa eza lsd tokei scc delta glow",
        _FILES,
    ),
    **_each("md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b3sum", _SUMS),
    **_each("head tail", Spec(options="-n= -c= --lines= --bytes= -s= --pid= -f -F -q")),
    "install": Spec(options="-m= -o= -g= -t: -d -D -s -v -c -C -p -b -S=", runs="--strip-program"),
    "csplit": Spec(
        options="-f: --prefix: -b: --suffix-format: -n= --digits= -k -s -z --keep-files --quiet"
        " --silent --elide-empty-files --suppress-matched",
        operands=(PATH, TEXT),
    ),
    **_each(
        "csvcut csvgrep csvlook csvstat csvsort csvjoin csvclean csvformat",
        Spec(
            options="-c= -C= -d= -D= -m= -r= -q= -e= -n -H -t -v -i -a --columns= --match=",
            reads="-f --file",
            closed=True,
        ),
    ),
    "xmllint": Spec(
        options="-noout -format -xpath= -valid -nowarning -noblanks -c14n -encode= -output: -o:"
        " -schema: -relaxng: -dtdvalid: -html -recover -quiet -nonet -timing -version -pretty=",
        asks="-shell",
        reads="-noent -xinclude -loaddtd -dtdattr",
        loads="-path -catalogs -nocatalogs",
        single=True,
        closed=True,
    ),
    "wc": Spec(options="-l -w -c -m -L --total=", reads="--files0-from"),
    "du": Spec(
        options="-d= --max-depth= --exclude= -B= --block-size= -t= --threshold= --time?= -h -s -a"
        " --time-style= -c -k -m -x -l -L -H -D -P -S -0 -b -X: --exclude-from:",
        reads="--files0-from",
    ),
    "df": Spec(options="-t= --type= -x= --exclude-type= -B= --block-size= --output?= -h -T -i -a"),
    "ls": Spec(
        options="-I= --ignore= --hide= -w= --width= -T= --tabsize= --block-size= --color?="
        " --sort= --time= --time-style= --format= --indicator-style= --quoting-style="
        " --hyperlink?="
    ),
    "stat": Spec(options="-c= --format= --printf= -f -L -t --terse"),
    "tree": Spec(
        options="-L= -I= -P= --filelimit= --timefmt= --charset= --sort?= -o: -H= -T= --infofile:"
        " --gitfile: --prune --noreport -R -a -d -f -i -s -h -p -u -g -D -F -C -J -X -n -x -l"
        " -r -t --dirsfirst --gitignore --matchdirs --ignore-case"
    ),
    "cut": Spec(
        options="-d= --delimiter= -f= --fields= -c= --characters= -b= --bytes= -s -n -z"
        " --output-delimiter= --complement --only-delimited"
    ),
    "paste": Spec(options="-d= --delimiters= -s -z --serial"),
    "join": Spec(
        options="-t= -j= -1= -2= -o= -e= -a= -v= -i --header --check-order --nocheck-order"
    ),
    "column": Spec(
        options="-s= --separator= -o= --output-separator= -c= --output-width= -N= -H= -R= -T= -W="
        " -E= --table-columns= -n: -O= -t -x -e -J -d -L -l= -r= -i= -p="
    ),
    "nl": Spec(
        options="-b= --body-numbering= -d= --section-delimiter= -f= -h= -i= -l= -n= -s= -v= -w="
        " -p --number-separator= --header-numbering= --footer-numbering= --line-increment="
        " --number-format= --starting-line-number= --number-width="
    ),
    "tac": Spec(options="-s= --separator= -b -r --before --regex"),
    "uniq": Spec(options="-f= -s= -w= -c -d -D -i -u -z --skip-fields= --skip-chars= --group?="),
    "look": Spec(options="-a -d -f -t=", operands=(TEXT, PATH)),
    "sort": Spec(
        options="-k= --key= -t= --field-separator= -S= --buffer-size= -o: --output: -T:"
        " --temporary-directory: --parallel= --sort= --batch-size= -b -d -f -g -h -i -M -n -R"
        " -r -V -c -C -m -s -u -z --check?= --debug --reverse --numeric-sort --unique"
        " --stable --merge",
        runs="--compress-program",
        reads="--files0-from --random-source",
    ),
    "shuf": Spec(
        options="-e -i= --input-range= -n= --head-count= -o: --output: -r -z --echo --repeat",
        reads="--random-source",
    ),
    "split": Spec(
        options="-a= -b= -C= -l= -n= -t= -d -x -e -u --additional-suffix= --bytes= --lines="
        " --number= --separator= --suffix-length= --numeric-suffixes?= --hex-suffixes?="
        " --verbose",
        runs="--filter",
    ),
    "diff": Spec(
        options="-I= --ignore-matching-lines= -x= --exclude= -F= --show-function-line= -L="
        " --label= -U= -C= --unified?= --context?= -W= --width= -D= --ifdef= --color?="
        " --palette= -S= -X: --exclude-from: --from-file: --to-file: -u -c -r -q -N -w -b -B"
        " -i -y -s -a -e -n -p -t --line-format= --old-line-format= --new-line-format="
        " --unchanged-line-format= --tabsize= --horizon-lines= --old-group-format="
        " --new-group-format= --side-by-side --changed-group-format="
        " --unchanged-group-format= --GTYPE-group-format="
    ),
    "patch": Spec(
        options="-p= -i: --input: -d: --directory: -o: --output: -r: --reject-file: --strip= -D="
        " -F= -B: -V= -Y: -z: -R -N -f -t -s -u -c -E --dry-run --backup -b",
        runs="-e --ed --get -g",
    ),
    "diff3": Spec(runs="--diff-program"),
    "bat": Spec(runs="--pager", takes={"--paging": PAGING}),
    "cloc": Spec(runs="-ext -vc", loads="-con -read-l -force-l", single=True),
    "sdiff": Spec(runs="--diff-program", writes="-o --output"),
    "base64": Spec(
        options="-d -D -i: -w= --wrap= --decode --ignore-garbage -o: --input: --output:"
    ),
    **_each("base32 basenc", Spec(options="-d -i -w= --wrap= --decode --ignore-garbage")),
    "xxd": Spec(options="-a -b -C -c= -e -E -g= -i -l= -n= -o= -p -ps -r -s= -u -v -d -R="),
    "od": Spec(options="-A= -j= -N= -S?= -t= -w?= -v -x -c -b -d -o -i -a -s -l -f --traditional"),
    "hexdump": Spec(options="-e= -n= -s= -v -b -c -C -d -o -x -L?", reads="-f"),
    "strings": Spec(options="-n= -t= -e= -a -f -d -T= -s= --bytes= --radix= --encoding="),
    "file": Spec(
        options="-b -i -k -L -h -n -N -p -r -s -v -z -Z -0 -e= -F= -P= --mime --mime-type --brief"
        " --uncompress --separator= --extension --mime-encoding",
        loads="-m --magic-file -C --compile",
        reads="-f --files-from",
    ),
    "iconv": Spec(options="-f= -t= -c -s -l -o: --from-code= --to-code= --output: --list"),
    "grep": Spec(
        options="-e= --regexp= -f: --file: -A= -B= -C= -m= -d= -D= --after-context="
        " --before-context= --context= --max-count= --include= --exclude= --exclude-dir="
        " --exclude-from: --color?= --colour?= --label= --binary-files= --devices="
        " --directories= --group-separator= -E -F -G -P -i -v -w -x -c -l -L -n -o -q -s -h"
        " -H -r -R -z -Z -a -I -b -T -U -y --files-with-matches --files-without-match"
        " --ignore-case --no-ignore-case --line-number --recursive --invert-match"
        " --word-regexp --count --with-filename --no-filename --null",
        operands=(TEXT, PATH),
        given="-e --regexp -f --file",
    ),
    "rg": Spec(
        options="-e= --regexp= -f: --file: -A= -B= -C= -m= -g= --glob= --iglob= -t= --type= -T="
        " -j= --type-not= -r= --replace= -M= -E= --encoding= -d= --max-depth= --maxdepth="
        " --sort= --sortr= --color= --colors= --context= --after-context= --before-context="
        " --max-count= --engine= --max-columns= --context-separator="
        " --field-context-separator= --field-match-separator= --path-separator= --threads="
        " --max-filesize= --dfa-size-limit= --regex-size-limit= --type-add= --type-clear="
        " --ignore-file: -F -v -i -s -S -w -x -c -l -L -n -N -o -q -H -h -I -a -p -P -u -U -0"
        " -. --files --type-list --hidden --no-ignore --json --vimgrep --stats --trim"
        " --hyperlink-format= --null --null-data --no-messages --no-heading --heading --count"
        " --fixed-strings --files-with-matches --files-without-match --ignore-case --pretty"
        " --pcre2",
        operands=(TEXT, PATH),
        given="-e --regexp -f --file --files --type-list",
        runs="--pre --pre-glob --hostname-bin -z --search-zip",
    ),
    "ag": Spec(
        operands=(TEXT, PATH),
        takes={"-A -B -C": NUMBER},
        runs="--pager -z --search-zip",
        options="-G= -m=",
    ),
    "ack": Spec(operands=(TEXT, PATH), runs="--pager -x", loads="--ackrc"),
    "fd": Spec(
        options="-e= --extension= -t= --type= -d= --max-depth= -E= --exclude= -H -I -g -F -a -l"
        " -p -s -i -u -0 -1 -q -S= --size= --changed-within= --changed-before="
        " --base-directory: --search-path: -c= --color= -j= --min-depth= --exact-depth="
        " --glob -L -o=",
        operands=(TEXT, PATH),
        runs="-x --exec -X --exec-batch",
    ),
    "sed": Spec(
        options="-n -E -r -s -u -z -i?: --in-place?: -e* --expression* -l= --line-length= --posix"
        " --debug --sandbox --quiet --silent --regexp-extended --separate --unbuffered"
        " --null-data --follow-symlinks -b --binary --help --version",
        operands=(SED, PATH),
        given="-e --expression",
        loads="-f --file",
        closed=True,
    ),
    "awk": Spec(
        options="-F= -v= --field-separator= --assign= --posix --traditional --re-interval -O -N"
        " --lint?= --version --help -V",
        operands=(AWK, ASSIGNED),
        loads="-f --file -E --exec -i --include -l --load -e --source",
        writes="-o --pretty-print -p --profile -d --dump-variables -W",
        asks="-D --debug",
        closed=True,
        ordered=True,
    ),
    "jq": Spec(
        options="--indent= --arg= --argjson= --slurpfile: --rawfile: --argfile: -r -c -n -s -S -C"
        " -M -a -e -j -R --raw-output --tab --compact-output --null-input --slurp --sort-keys"
        " --exit-status --join-output --raw-input --stream --args --jsonargs --seq"
        " --unbuffered --ascii-output --color-output",
        operands=(JQ, PATH),
        loads="-f --from-file -L --library-path",
        reads="--run-tests",
        pairs="--arg --argjson --slurpfile --rawfile --argfile",
    ),
    "yq": Spec(
        options="-i -r -P -n -N -C -M -j -y -I= -o= -p= --indent= --output-format= --input-format=",
        operands=(JQ, YAML),
        loads="-f --from-file -L --library-path --from-file-expression",
        reads="--slurpfile --rawfile --argfile --security-enable-file-operator --expression",
        writes="-s --split-exp --split-exp-file",
    ),
    "find": Spec(
        options="-name= -iname= -path= -ipath= -wholename= -iwholename= -regex= -iregex= -lname="
        " -ilname= -type= -xtype= -size= -mtime= -mmin= -atime= -amin= -ctime= -cmin= -perm="
        " -user= -group= -uid= -gid= -links= -inum= -maxdepth= -mindepth= -used= -fstype="
        " -regextype= -printf= -newer: -anewer: -cnewer: -samefile: -neweraa: -neweram:"
        " -newermm: -newerma: -newerat= -newermt= -newerct= -newerBt= -a -o -and -or -not"
        " -print -print0 -ls -prune -quit -true -false -empty -executable -readable -writable"
        " -depth -d -daystart -follow -mount -xdev -noleaf -ignore_readdir_race -nouser"
        " -nogroup -help -version -warn -nowarn -H -L -P -O0 -O1 -O2 -O3 -E -X -x -s -exec;"
        " -ok;",
        operands=(PATH,),
        runs="-execdir -okdir",
        deletes="-delete",
        writes="-fprint -fprint0 -fprintf -fls",
        reads="-files0-from",
        single=True,
        closed=True,
    ),
    "rename": Bar(RUNS),
    "dd": _FILES,
    **_each(
        "more most pg",
        Spec(
            options="-d -f -l -c -p -s -u -e -n: --help --version -V -h",
            plus=True,
            closed=True,
        ),
    ),
    **_each(
        "less view-pager",
        Spec(
            options="-N -S -R -r -F -X -E -e -i -I -n -s -m -M -q -d -f -c -p= -x= -z= -b= -h="
            " -y= --pattern= --help --version -V --LINE-NUMBERS --line-numbers --chop-long-lines"
            " --RAW-CONTROL-CHARS --raw-control-chars --quit-if-one-screen --no-init"
            " --IGNORE-CASE --ignore-case --squeeze-blank-lines",
            loads="-k --lesskey-file --lesskey-src --lesskey-content",
            writes="-o -O --log-file --LOG-FILE",
            runs="-t -T --tag --tag-file",
            plus=True,
            closed=True,
        ),
    ),
    "man": Spec(
        options="-k -f -a -w -W -s= -S= -L= --sections= --locale= --where --path --apropos -u -K",
        operands=(PATH,),
        runs="-P --pager -H --html -X --gxditview -T --troff-device -Z --ditroff -t --troff -p"
        " --preprocessor",
        loads="-C --config-file -M --manpath -l --local-file",
        # Whatever else it does opens a pager, which runs what it is told.
        demands="-k -f -w -W --where --path --apropos -K",
    ),
}

# Archives.
_PACKERS = Spec(
    options="-S: --suffix: -k -c -d -z -t -l -v -q -f -r -n -N -1 -2 -3 -4 -5 -6 -7 -8 -9 -e -T:"
    " -M: --memlimit= --format= --threads= --keep --stdout --decompress --best --fast",
    reads="--files --files0",
)
_ARCHIVES: Mapping[str, Spec | Bar] = {
    **_each(
        "gzip gunzip xz unxz bzip2 bunzip2 lzma unlzma compress zcat xzcat bzcat lz4 uncompress"
        " pigz pbzip2",
        _PACKERS,
    ),
    "zstd": Spec(options="-o: -d -k -f -c -t -l -v -q -r -D: -T: --rm --ultra", reads="--filelist"),
    "tar": Spec(
        takes={"-f --file": ARCHIVE},
        options="-c -x -t -r -u -d -A -C: --directory: -v -z -j -J -Z -a -p -P= -k -m -O -o -h -w"
        " -W -S -B -R -U -l -n -i -s -X: --exclude-from: --exclude= --transform= --xform="
        " --strip-components= --owner= --group= --mode= --mtime= --sort= --format= -H: -b="
        " -N: --newer= --one-top-level?: --create --extract --get --list --append --update"
        " --verbose --gzip --gunzip --bzip2 --xz --zstd --lzma --lzip --auto-compress"
        " --wildcards --anchored --no-anchored --no-recursion --no-same-owner"
        " --no-same-permissions --keep-old-files --delete --overwrite --totals?="
        " --show-transformed-names --numeric-owner --exclude-vcs --help --exclude-vcs-ignores"
        " --version --compare --diff --test-label --level= --occurrence?= --checkpoint?=",
        runs="-I --use-compress-program --to-command --checkpoint-action -F --info-script"
        " --new-volume-script --rsh-command --rmt-command -M --multi-volume",
        reads="-T --files-from -g --listed-incremental -G -K -V --volno-file --index-file",
        writes="-P --absolute-names --remove-files --recursive-unlink",
        bundled=True,
        closed=True,
    ),
    "zip": Spec(
        options="-r -q -v -j -m -u -f -d -e -x -i -n= -t= -b: -O: --out: -P= -s= -X -y -D -l -z"
        " -1 -2 -3 -4 -5 -6 -7 -8 -9 -0 -g -o -A -J -S -Z= --exclude --include --delete --update"
        " --recurse-paths",
        runs="-T --test --unzip-command",
        reads="-@ --names-stdin",
        closed=True,
    ),
    "unzip": Spec(
        options="-l -t -o -n -q -v -j -p -c -d: -x= -P= -a -L -u -f -Z -z -O= -I=", closed=True
    ),
    "cpio": Bar(WRITES),
    "pax": Bar(WRITES),
    **_each(
        "7z 7za 7zr 7zz",
        Spec(operands=(TEXT, MEMBER), single=True, options="-y -r -so -si", reads="-i -x"),
    ),
    "ar": Spec(operands=(TEXT, MEMBER), loads="--plugin", reads="-M", fed=Bar(INPUT)),
    "unrar": Spec(operands=(TEXT, MEMBER)),
}

# Programs that run another, which is judged in its turn.
_WRAPPERS: Mapping[str, Spec | Bar] = {
    "env": Spec(
        inner=0,
        assigns=True,
        closed=True,
        ordered=True,
        options="-i -0 -u= -C: --ignore-environment --null --unset= --chdir: -v --debug --help"
        " --version",
        runs="-S -s --split-string -a --argv0",
    ),
    "nice": Spec(
        inner=0, closed=True, options="-n= --adjustment= -0 -1 -2 -3 -4 -5 -6 -7 -8 -9 --help"
    ),
    "nohup": Spec(inner=0, closed=True, options="--help --version"),
    "setsid": Spec(inner=0, closed=True, options="-c -f -w --ctty --fork --wait"),
    "time": Spec(
        inner=0,
        closed=True,
        options="-p -v -f= --format= -o: --output: -a --append --portability --verbose -q --quiet",
    ),
    "timeout": Spec(
        inner=1,
        closed=True,
        operands=(TEXT,),
        options="-k= --kill-after= -s= --signal= -v --verbose --preserve-status --foreground"
        " --help",
    ),
    "stdbuf": Spec(
        inner=0, closed=True, options="-i= --input= -o= --output= -e= --error= --help --version"
    ),
    "ionice": Spec(
        inner=0, closed=True, options="-c= --class= -n= --classdata= -t --ignore", runs="-p -P -u"
    ),
    "chrt": Spec(
        inner=1,
        closed=True,
        operands=(TEXT,),
        options="-b -d -f -i -o -r -R -T= -P= -D= -v --batch --idle --other --fifo --rr",
        runs="-p -a",
    ),
    "taskset": Spec(
        inner=1, closed=True, operands=(TEXT,), options="-c --cpu-list", runs="-p --pid -a"
    ),
    "xargs": Spec(
        inner=0,
        closed=True,
        appended=True,
        options="-0 -r -t -x -o -n= -P= -L= -s= -d= -E= --null --max-args= --max-procs="
        " --max-lines= --max-chars= --delimiter= --no-run-if-empty --verbose --exit"
        " --open-tty --eof?= -l?= -e?= --help --version --show-limits -I* --replace?* -i?*",
        operands=(PLACEHOLDER,),
        reads="-a --arg-file",
        asks="-p --interactive",
        runs="--process-slot-var -J",
    ),
    "exec": Spec(inner=0, closed=True, options="-c"),
    "busybox": Spec(inner=0, closed=True, options="--list --help"),
    "toybox": Spec(inner=0, closed=True, options="--help"),
    "chronic": Spec(inner=0, closed=True, options="-v -e"),
    "ifne": Spec(inner=0, closed=True, options="-n"),
    "catchsegv": Spec(inner=0, closed=True),
    "hyperfine": Bar(RUNS),
}

# Shells and interpreters run files of the workspace, which is what listing them means.
_NO_SCRIPT = Bar(INPUT)
_SHELL = Spec(
    options="-e -u -x -v -n -f -h -o: --posix --norc --noprofile --version --help -p",
    operands=(SHELL_SCRIPT, ARGUMENT),
    runs="-c",
    loads="-i -l --login --rcfile --init-file -O --dump-strings",
    reads="-s",
    closed=True,
    ordered=True,
    plus=True,
    needs=_NO_SCRIPT,
    alone="--version --help",
    note=PROJECT,
)
_PYTHON = Spec(
    takes={"-W": WARNING, "-X": SETTING_OF_PYTHON},
    options="-u -B -O -OO -s -S -I -E -v -q -b -d -P -h --help -V --version -m>",
    operands=(SCRIPT, ARGUMENT),
    runs="-c -i -x",
    closed=True,
    ordered=True,
    needs=_NO_SCRIPT,
    alone="-h --help -V --version",
    modules=frozenset(
        {
            *("pytest", "unittest", "json.tool", "py_compile", "compileall", "mypy", "ruff"),
            *("black", "isort", "flake8", "pylint", "pyflakes", "pycodestyle", "venv", "doctest"),
            *("build", "tabnanny", "tokenize", "ast", "dis", "calendar", "site", "platform", "pip"),
            *("coverage", "tox", "sysconfig"),
        }
    ),
    note=PROJECT,
)
_JS_LOADS = (
    "-r --require --import --loader --experimental-loader --openssl-config"
    " --openssl-shared-config --env-file --env-file-if-exists --snapshot-blob"
    " --build-snapshot --experimental-config-file --experimental-default-config-file"
    " --icu-data-dir --build-snapshot-config --localstorage-file"
)
_INTERPRETERS: Mapping[str, Spec | Bar] = {
    **_each(
        "sh bash dash zsh ksh mksh ash fish csh tcsh yash rbash posh elvish oksh lksh",
        _SHELL,
    ),
    **_each("python pypy micropython", _PYTHON),
    **_each(
        "node nodejs",
        Spec(
            options="--test --check -c --version -v --help -h --watch --no-warnings"
            " --trace-warnings --enable-source-maps --max-old-space-size:"
            " --stack-trace-limit: --test-name-pattern: --test-only"
            " --experimental-strip-types --preserve-symlinks --experimental-vm-modules"
            " --trace-deprecation --no-deprecation --throw-deprecation"
            " --unhandled-rejections: --experimental-test-coverage"
            " --abort-on-uncaught-exception --experimental-specifier-resolution:"
            " --test-concurrency: --test-timeout: --run:",
            operands=(SCRIPT, ARGUMENT),
            takes={"--test-reporter": SCRIPT},
            runs="-e --eval -p --print -i --interactive",
            loads=_JS_LOADS,
            connects="--inspect --inspect-brk --inspect-port --inspect-wait --debug --debug-brk",
            closed=True,
            ordered=True,
            needs=_NO_SCRIPT,
            alone="--test --version -v --help -h --run",
            note=PROJECT,
        ),
    ),
    "perl": Spec(
        options="-w -c -W -X -t -T -v -V -h --version --help",
        operands=(SCRIPT, ARGUMENT),
        runs="-e -E -n -p -i -s -S -x -d -D -a -F -l -0",
        loads="-I -m -M",
        closed=True,
        ordered=True,
        needs=_NO_SCRIPT,
        alone="-v -V -h --version --help",
        note=PROJECT,
    ),
    "ruby": Spec(
        options="-w -W?: -c -v --version -h --help --jit --yjit --disable: --enable:",
        operands=(SCRIPT, ARGUMENT),
        runs="-e -n -p -i -s -S -x -a -F -l -0 -C -X",
        loads="-I -r -E -K",
        closed=True,
        ordered=True,
        needs=_NO_SCRIPT,
        alone="--version -v -h --help",
        note=PROJECT,
    ),
    "php": Spec(
        options="-l -v --version -h --help -n -q -m -i --syntax-check",
        takes={"-f": SCRIPT},
        operands=(SCRIPT, ARGUMENT),
        given="-f",
        runs="-r --run -R --process-code -B --process-begin -E --process-end -F --process-file -a",
        loads="-c --php-ini -d --define -z --zend-extension",
        connects="-S --server -t --docroot",
        closed=True,
        ordered=True,
        needs=_NO_SCRIPT,
        alone="-v --version -h --help -f -m",
        note=PROJECT,
    ),
    **_each(
        "lua luajit tclsh Rscript guile groovy scala julia escript elixir",
        Spec(
            options="-v -V --version --help --vanilla",
            operands=(SCRIPT, ARGUMENT),
            closed=True,
            ordered=True,
            needs=_NO_SCRIPT,
            alone="-v -V --version --help",
            note=PROJECT,
        ),
    ),
    "deno": Spec(
        subcommands={
            "run": Spec(
                options="-A --allow-all --allow-read?: --allow-write?: --allow-net?:"
                " --allow-env?: -q --check --no-check --watch",
                operands=(SCRIPT, ARGUMENT),
                loads="--import-map --preload --cert -c --config --lock --v8-flags --location",
                runs="--inspect --inspect-brk --inspect-wait --ext",
                closed=True,
                ordered=True,
                needs=_NO_SCRIPT,
                note=PROJECT,
            ),
            **_each(
                "test fmt lint check bench task doc info",
                Spec(
                    operands=(SCRIPT,),
                    loads="--import-map --preload --cert -c --config --lock --v8-flags",
                    note=PROJECT,
                ),
            ),
        },
        options="--version -V --help -h -q",
        otherwise=Bar(LOADS),
        closed=True,
        needs=_NO_SCRIPT,
        alone="--version -V --help -h",
    ),
    "java": Spec(
        options="-cp: -classpath: --class-path: -jar: -version --version -help -ea -esa",
        operands=(MAIN_CLASS, ARGUMENT),
        given="-jar",
        loads="-Xrun -javaagent -agentlib -agentpath -XX @ --module-path -p --add-opens",
        single=True,
        ordered=True,
        note=PROJECT,
    ),
}

# Version control.
_COMMON = "--help"
_PLUMBING = Spec(operands=(REVISION,), asks=_COMMON)
_LOG = Spec(
    options="--format= --pretty?= --since= --until= --after= --before= --author= --committer="
    " --grep= -S= -G= -L= -n= -U= --unified= --date= --diff-filter= --stat?= --decorate?="
    " --max-count= -l= --skip= --branches?= --tags?= --remotes?= --glob= --exclude="
    " --find-object= --word-diff?= -O: --word-diff-regex= --color?= --color-words?="
    " --color-moved?= --abbrev?= --encoding= --src-prefix= --dst-prefix= --line-prefix="
    " --inter-hunk-context= --diff-algorithm= --anchored= --ignore-matching-lines="
    " --submodule?= --relative?: --output-indicator-new= --output-indicator-old= -M? -C? -B?"
    " -I= -X? --dirstat?= --notes?= --show-notes?= --decorate-refs= --decorate-refs-exclude="
    " --show-signature --oneline --graph --all --no-merges --merges --first-parent --reverse"
    " --follow --name-only --numstat --name-status --shortstat --summary --patch --no-patch"
    " -p -u -s -w -b -a -z -i -E -F -P -q -t --cached --staged --no-color --no-ext-diff"
    " --no-textconv --no-renames --check --exit-code --quiet --full-index --binary --text"
    " --raw --patch-with-stat --patch-with-raw --cumulative --ignore-all-space"
    " --ignore-space-change --ignore-blank-lines --ignore-space-at-eol -R -r --merge-base"
    " --minimal --patience --histogram --walk-reflogs -g --left-right --cherry-pick"
    " --no-prefix --no-relative --rotate-to: --skip-to: --ita-invisible-in-index"
    " --ws-error-highlight=",
    operands=(REVISION,),
    runs="--ext-diff --textconv",
    reads="--no-index --stdin",
    writes="--output --output-directory",
    asks=_COMMON,
)
_REMOTE = Spec(
    options="--depth= --shallow-since= --shallow-exclude= --refmap= -j= --jobs="
    " --recurse-submodules?= -s= -X= --strategy= --strategy-option= --negotiation-tip="
    " --force --force-with-lease?= --all --tags --prune --dry-run --rebase?= --set-upstream"
    " --signed?= --sort= --no-rebase --ff-only --delete --mirror --follow-tags --atomic -u -f"
    " -n -q -v -p -t -a -d -k -4 -6 --heads",
    operands=(REPOSITORY, REVISION),
    runs="--upload-pack --receive-pack --exec -o --server-option --push-option",
    connects="--repo",
    asks=_COMMON,
)
_GIT: Mapping[str, Spec | Bar] = {
    **_each("log diff show whatchanged range-diff reflog", _LOG),
    **_each("diff-tree diff-index diff-files rev-list cherry", _LOG),
    **_each(
        "status add stage branch checkout switch restore reset rm mv rev-parse ls-files ls-tree"
        " cat-file describe merge-base revert show-ref show-branch name-rev symbolic-ref"
        " for-each-ref count-objects gc fsck prune clean cherry-pick merge"
        " version var write-tree read-tree update-index update-ref"
        " sparse-checkout notes verify-commit verify-tag diff-pairs pack-refs"
        " repack interpret-trailers merge-tree check-ref-format commit-tree rerere column",
        Spec(
            options="--format= --sort= -m= --message= --pretty= --abbrev?= --contains?="
            " --merged?= --no-merged?= --points-at?= -s= --strategy-option="
            " --source= --exclude= -x= -X: --exclude-from: --match= --candidates= --column?="
            " --porcelain?= --untracked-files?= -u?= --ignored?= --ignore-submodules?="
            " --color?= --set-upstream-to= --track?= --conflict= --cleanup= --orphan= -b= -B="
            " -c= --chmod= --since= --until= --git-path= --prefix= --short?= --abbrev-ref?="
            " --show-toplevel --show-prefix --verify --pathspec-from-file: -f -q -v -r -d -D"
            " -a -A -l -n -i -p -t -k -e -N -S -s -z",
            takes={"--strategy": STRATEGY},
            operands=(REVISION,),
            reads="--stdin-paths --batch-command",
            runs="--textconv --filters",
            asks=f"{_COMMON} --edit",
        ),
    ),
    **_each(
        "check-attr check-ignore check-mailmap stripspace patch-id get-tar-commit-id show-index"
        " unpack-objects update-server-info verify-pack mktree mktag commit-graph",
        Spec(
            options="--stdin --cached --source= --object-format= --object-dir: -a -n -q -r -s -v"
            " -z",
            operands=(REVISION,),
            asks=_COMMON,
        ),
    ),
    "hash-object": Spec(
        options="-t= -w --stdin --no-filters --literally --path:",
        reads="--stdin-paths",
        asks=_COMMON,
    ),
    "checkout-index": Spec(options="--prefix: -a -f -q -u -n --all --force", asks=_COMMON),
    "merge-file": Spec(options="-L= -p -q --stdout --ours --theirs --union", asks=_COMMON),
    "replace": Spec(
        options="--format= -l --list -d --delete -f",
        operands=(REVISION,),
        asks=f"{_COMMON} --edit -e",
    ),
    "commit": Spec(
        options="-m= --message= -F: --file: -C= -c= --author= --date= --fixup= --squash="
        " --trailer= --cleanup= --reuse-message= -t: -S?= --gpg-sign?= -u?="
        " --pathspec-from-file: -a -s -v -q -n -e -p -i -o -z --amend --no-edit --allow-empty"
        " --all --signoff --no-verify --dry-run",
        operands=(REVISION,),
        asks=_COMMON,
    ),
    "switch": Spec(
        options="-c= -C= --create= --force-create= --orphan= --conflict= -d -f -m -q -t --detach",
        operands=(REVISION,),
        asks=_COMMON,
    ),
    "checkout": Spec(
        options="-b= -B= --orphan= --conflict= --pathspec-from-file: -f -q -m -t -l -p -d --ours"
        " --theirs --detach --track?= --no-track",
        operands=(REVISION,),
        asks=_COMMON,
    ),
    "branch": Spec(
        options="--format= --sort= --contains?= --no-contains?= --merged?= --no-merged?="
        " --points-at= -u= --set-upstream-to= --column?= --color?= --abbrev= -a -r -v -d -D"
        " -m -M -c -C -f -l -q -i -t --all --list --delete --move --copy --force"
        " --show-current --unset-upstream",
        operands=(TEXT,),
        asks=f"{_COMMON} --edit-description",
    ),
    "clean": Spec(
        options="-e= --exclude= -d -f -n -q -x -X --force --dry-run", asks=f"{_COMMON} -i"
    ),
    "tag": Spec(
        options="-m= --message= -F: --file: -u= --local-user= --sort= --format= -n? --contains?="
        " --cleanup= --points-at= --no-contains?= --column?= -a -s -d -l -f -v -i -e",
        operands=(TEXT,),
        asks=_COMMON,
    ),
    "blame": Spec(
        options="-L= -S: --date= --since= --contents: --ignore-rev= --ignore-revs-file: --abbrev="
        " -M? -C? -w -e -s -t -f -n -l -c -b -p --porcelain --show-email --show-name"
        " --show-number",
        operands=(REVISION,),
        asks=_COMMON,
    ),
    "annotate": Spec(options="-L= --since= -w -e", operands=(REVISION,)),
    "grep": Spec(
        options="-e= -f: -A= -B= -C= -m= --max-depth= --threads= --max-count= --and --or --not -E"
        " -F -G -P -i -I -v -w -n -l -L -c -h -H -a -r -o -q -p -W -z --cached --untracked"
        " --heading --break --count --name-only --color?= --no-index --line-number"
        " --ignore-case",
        operands=(TEXT, REVISION),
        given="-e -f",
        runs="-O --open-files-in-pager --textconv --ext-grep",
        asks=_COMMON,
    ),
    "shortlog": Spec(
        options="-n -s -e -c -w?= --format= --since= --until= --after= --before= --author="
        " --group=",
        operands=(REVISION,),
        asks=_COMMON,
    ),
    "stash": Spec(
        options="-m= --message= --pathspec-from-file: -u -a -k -p -q -S",
        operands=(REVISION,),
        asks=_COMMON,
        runs="--ext-diff --textconv --output --no-index",
    ),
    "remote": Spec(
        subcommands={
            **_each(
                "show get-url rename remove rm prune set-head set-branches",
                Spec(operands=(TEXT,)),
            ),
            "add": Spec(
                options="-t= -m= -f --tags --no-tags --mirror=", operands=(TEXT, REPOSITORY)
            ),
            "set-url": Spec(operands=(TEXT, REPOSITORY, REPOSITORY)),
            "update": Spec(operands=(TEXT,)),
        },
        options="-v --verbose",
        asks=_COMMON,
    ),
    **_each("fetch pull push ls-remote", _REMOTE),
    "clone": Spec(
        options="-b= --branch= -o= --origin= --depth= --shallow-since= --shallow-exclude= -j="
        " --jobs= --filter= --recurse-submodules?= --reference: --separate-git-dir:"
        " --bundle-uri= --recursive --single-branch --no-tags --bare --mirror --sparse"
        " --no-checkout -l -s -q -v -n --progress --quiet --verbose --local --no-hardlinks",
        operands=(REPOSITORY, PATH),
        runs="-u --upload-pack -c --config --template --server-option",
        asks=_COMMON,
        closed=True,
    ),
    "maintenance": Spec(subcommands=_each("run stop unregister", _PLUMBING), otherwise=Bar(WRITES)),
    **_each(
        "init init-db",
        Spec(
            options="-b= --initial-branch= --object-format= --bare -q --quiet",
            loads="--template --separate-git-dir --shared",
            asks=_COMMON,
        ),
    ),
    "archive": Spec(
        options="--format= --prefix= -o: --output: -l -v -0 -9 --worktree-attributes",
        operands=(REVISION,),
        runs="--exec --remote",
        asks=_COMMON,
    ),
    "bundle": Spec(operands=(TEXT, PATH, REVISION), asks=_COMMON),
    "format-patch": Spec(
        options="-o: --output-directory: --subject-prefix= --in-reply-to= --to= --cc="
        " --start-number= -v= -n -N -s -k --stdout --cover-letter --suffix=",
        operands=(REVISION,),
        runs="--ext-diff --textconv",
        writes="--output",
        asks=_COMMON,
    ),
    "apply": Spec(
        options="-p= -C= --directory: --exclude= --include= --whitespace= --build-fake-ancestor:"
        " -R -v -q -N -3 --stat --check --index --cached --numstat --summary --reject"
        " --reverse",
        writes="--unsafe-paths",
        asks=_COMMON,
    ),
    "am": Spec(
        options="--directory: --exclude= --include= --patch-format= -p= -C= -S?= -3 -s -q -k"
        " --abort --skip --continue --quit --signoff",
        asks=f"{_COMMON} -i --interactive",
    ),
    "worktree": Spec(options="-b= -B= --reason= --expire= -f -v --porcelain", operands=(REVISION,)),
    "rebase": Spec(
        options="--onto= -s= -X= --strategy= --strategy-option= --whitespace= --empty= -C= -S?="
        " -f -q -v -n -m --abort --continue --skip --quit --autostash --keep-base --root"
        " --no-verify",
        operands=(REVISION,),
        runs="-x --exec",
        asks=f"{_COMMON} -i --interactive --edit-todo",
    ),
    "bisect": Spec(
        subcommands={
            **_each(
                "start good bad new old skip reset log terms next",
                _PLUMBING,
            ),
            "run": Bar(RUNS),
            "visualize": Bar(RUNS),
            "view": Bar(RUNS),
        },
    ),
    "submodule": Spec(
        subcommands={
            **_each(
                "status init update sync summary deinit absorbgitdirs",
                _PLUMBING,
            ),
            "add": Spec(options="-b= --name= -f --depth=", operands=(REPOSITORY, PATH)),
            "set-branch": Spec(options="-b= --branch= -d --default"),
            "foreach": Bar(RUNS),
        },
        options="--quiet -q --cached",
        runs="foreach",
    ),
    "lfs": Spec(subcommands=_each("ls-files status version env track", _PLUMBING)),
    "config": Spec(
        options="-l --list --get --get-all --get-regexp --show-origin --show-scope --name-only"
        " -z --null --includes --no-includes --type= --bool --int --bool-or-int --path --local"
        " --global --system --worktree --default= --all --regexp",
        subcommands=_each("get list", Spec(operands=(SETTING, SETS), closed=True)),
        otherwise=Spec(operands=(SETTING, SETS), closed=True),
        inherits=True,
        closed=True,
    ),
    "alias": Bar(RUNS),
    "help": Spec(options="-a -g --all --guides", operands=(WAITS,), closed=True),
    **_each(
        "filter-branch difftool mergetool daemon instaweb send-email shell credential gui gitk"
        " citool request-pull svn p4 cvsserver fast-import fast-export upload-pack"
        " receive-pack upload-archive http-backend cvsimport quiltimport imap-send"
        " for-each-repo hook remote-ext remote-fd merge-index filter-repo fetch-pack"
        " send-pack archimport bugreport diagnose fsmonitor--daemon http-fetch replay",
        Bar(RUNS),
    ),
}
_VERSIONING: Mapping[str, Spec | Bar] = {
    "git": Spec(
        options="-C: --no-pager -P --version -v --help -h --no-replace-objects --bare --html-path"
        " --literal-pathspecs --glob-pathspecs --noglob-pathspecs --icase-pathspecs"
        " --man-path --no-optional-locks --no-advice",
        runs="-c --config-env --exec-path --paginate -p",
        loads="--git-dir --work-tree --namespace --super-prefix --attr-source --list-cmds",
        subcommands=_GIT,
        otherwise=Bar("an alias, or a program of that name"),
        closed=True,
    ),
    "gh": Spec(
        subcommands={
            **_each(
                "pr issue repo run release search status label workflow",
                Spec(
                    options="-t= --title= -b= --body= -B= -H= -l= --label= -R= -L= --json= -q="
                    " --jq= -a=",
                    operands=(DIRECT,),
                    reads="-F --body-file",
                    runs="-w --web --editor",
                ),
            ),
            "alias": Bar(RUNS),
            "extension": Bar(LOADS),
        },
    ),
    "hg": Spec(
        subcommands=_each(
            "status st log diff add commit ci branch branches id",
            Spec(
                operands=(LOCATION,), runs="--config --pager -T --template", options="-m= -r= -l:"
            ),
        ),
        runs="--config --pager --debugger --profile",
        loads="--cwd -R --repository",
        closed=True,
    ),
    "svn": Spec(
        subcommands=_each(
            "status st log diff info add update up list ls cat",
            Spec(
                operands=(LOCATION,),
                runs="--diff-cmd --config-option --editor-cmd --config-dir",
                reads="--targets",
            ),
        ),
        runs="--config-option --config-dir",
        closed=True,
    ),
}

# Build tools and package managers. What the project itself says to run is what listing them means.
_NPM_LOOKS = Spec(operands=(TEXT,))
_NPM_INSTALLS = Spec(operands=(NOTHING,), options="--omit: --include:", note=PROJECT)
_NO_OPERANDS = Spec(operands=(PACKAGE,))
_NPM: Mapping[str, Spec | Bar] = {
    "pkg": Spec(subcommands={"get": _NPM_LOOKS}),
    "cache": Spec(subcommands=_each("verify ls dir", _NPM_LOOKS)),
    **_each(
        "test t tst start stop restart",
        _RUN,
    ),
    **_each("run run-script rum urn", Spec(operands=(SCRIPT_NAME, ARGUMENT), note=PROJECT)),
    **_each(
        "ls list la ll outdated audit view v info show search root bin prefix fund explain why"
        " ping version docs doctor whoami query licenses prune dedupe ddp rebuild pack"
        " uninstall un remove rm r unlink completion workspaces sbom stars find-dupes shrinkwrap",
        _NPM_LOOKS,
    ),
}
_NPM_OPTIONS = (
    "-w: --workspace: --workspaces --depth: --omit: --include: --loglevel: --tag:"
    " --json --silent -s --long -l --parseable --production --prod --dev --global -g --if-present"
    " --dry-run --prefix: -C: --no-audit --no-fund --ignore-scripts --legacy-peer-deps --save"
    " --save-dev --version -v --help -h --prefer-offline --offline --workspace-root"
    " --include-workspace-root"
    " --foreground-scripts --audit-level: --no-package-lock --frozen-lockfile --immutable --verbose"
    " --filter: -F: -r --recursive --parallel --stream --cwd: --dir: --no-progress --force -f"
    " --package-lock-only --only: --all -a --color --no-color"
)
_NPM_RUNS = (
    "--script-shell --shell --node-options --call -c --package --git --viewer --editor --node-gyp"
    " --browser --shell-emulator --use-yarnrc"
    " --python --nodedir --msbuild-path"
)
_NPM_LOADS = (
    "--userconfig --globalconfig --init-module --config --use-node-version --cafile"
    " --global-prefix --localstorage --node-version --onload-script --otp --pnpmfile"
    " --global-pnpmfile --config-dir --modules-folder --global-folder --plugin --import"
    " --registry --proxy --https-proxy --http-proxy --ca --cert --key --strict-ssl"
)
_CARGO_RUN = Spec(
    options="-p: --package: --exclude: --bin: --example: --test: --bench: -F: --features:"
    " --profile: -j: --jobs: --target: --target-dir: --manifest-path: --message-format:"
    " --color: -r --release --workspace --all --lib --bins --tests --benches --examples"
    " --all-targets --all-features -q -v --no-default-features --locked --offline --frozen"
    " --no-run --no-fail-fast --doc --open --lib --keep-going -n --name: --edition: --vcs:"
    " --dev --build --optional --rename: --no-deps -e: -i: --invert: --depth: --prefix: -d"
    " --duplicates --fix --check --document-private-items --dry-run --allow-dirty"
    " --allow-staged --limit: -f: --format: --format-version: --filter-platform: --aggressive"
    " --precise: --path: --recursive",
    operands=(ARGUMENT,),
    runs="--config -Z --git --registry --index",
    note=PROJECT,
)
_CARGO: Mapping[str, Spec | Bar] = {
    **_each(
        "build b check c test t run r bench doc d fmt clean tree metadata update search"
        " fetch new init add remove rm version locate-project pkgid verify-project package"
        " nextest report generate-lockfile vendor audit outdated llvm-cov info fix"
        " read-manifest",
        _CARGO_RUN,
    ),
    "clippy": replace(_CARGO_RUN, operands=(FLAG_OF_RUSTC,)),
    "help": Spec(operands=(WAITS,)),  # the page of a command is shown by man
    **_each("install publish watch uninstall yank", _NO_PACKAGE),
}
_CARGO_MAIN = Spec(
    options="-q -v -V --version --list --explain: --color: --locked --offline --frozen --help -h"
    " --verbose --quiet",
    runs="--config -Z -C",
    subcommands=_CARGO,
    otherwise=Bar("an alias, or a program of that name"),
    closed=True,
)
_GO_RUN = Spec(
    options="-run: -bench: -count: -timeout: -tags: -cpu: -parallel: -o: -coverprofile:"
    " -covermode: -coverpkg: -cpuprofile: -memprofile: -blockprofile: -mutexprofile: -trace:"
    " -outputdir: -p: -C: -mod: -ldflags* -gcflags* -asmflags* -skip: -fuzz: -fuzztime:"
    " -benchtime: -shuffle: -list: -f: -buildmode: -v -x -n -a -i -race -short -cover -json"
    " -failfast -benchmem -work -trimpath -m -u -msan -asan -c -e -s -w -l -all -buildvcs:"
    " -compat: -go: -fullpath -modcacherw -test -deps -export -find -compiled -versions"
    " -retracted -vet: -src -cmd -d -t -r -cache -testcache -modcache -fuzzcache -diff"
    " -fmt -reuse: -linkshared -args -require: -droprequire: -replace: -dropreplace: -print",
    operands=(LINKER,),
    runs="-exec -toolexec -vettool -gccgoflags -compiler -installsuffix -pkgdir",
    loads="-overlay -modfile -pgo",
    single=True,
    closed=True,
    note=PROJECT,
)
_GO = Spec(
    single=True,
    closed=True,
    options="-C: -version -h -help",
    subcommands={
        **_each(
            "build test vet fmt list clean doc version mod work bug",
            _GO_RUN,
        ),
        **_each(
            "run install",
            Spec(
                options=_GO_RUN.options.replace("*", "="),
                operands=(PACKAGE, ARGUMENT),
                runs=f"{_GO_RUN.runs} -ldflags -gcflags -asmflags",
                loads=_GO_RUN.loads,
                single=True,
                closed=True,
                ordered=True,
                note=PROJECT,
            ),
        ),
        "env": Spec(options="-json -changed", operands=(TEXT,), loads="-w -u", single=True),
        "get": _NO_PACKAGE,
        "tool": Spec(
            subcommands={
                "cover": Spec(options="-func: -html: -o: -mode:", single=True, closed=True)
            },
            otherwise=Bar(RUNS),
        ),
        "help": _WORDS,
        **_each("generate fix telemetry", Bar(RUNS)),
    },
)
_LINTER = Spec(
    loads="--custom-syntax --custom-formatter --rules-dir --formatters-dir"
    " --plugin --rulesdir --resolve-plugins-relative-to --load-plugins --init-hook"
    " --custom-typeshed-dir --python-executable --plugin-search-dir",
    runs="--init --pager",
    takes={
        "--config -c": SETTINGS,
        "--parser": FORMAT,
        "-f --format --output-format": REPORT,
    },
    options="--rcfile: --ext: --max-warnings: --rule= --ignore-pattern= -o:"
    " --output-file: --cache-location: --ignore-path: --select: --ignore: --extend-select:"
    " --exclude= --extend-ignore: --line-length: --max-line-length: --target-version:"
    " --tab-width: --parser-name --print-width: --fix --write --check --diff -l: --quiet"
    " --color --no-color --env: --global: --extend-exclude= --include= --profile:"
    " --stdin-filename: --stdin-filepath: --config-path: --disable: --enable: --jobs: -j:"
    " -t: --trailing-comma: --end-of-line:",
)
_TYPES = Spec(
    loads="--python-executable --custom-typeshed-dir --custom-typing-module --shadow-file"
    " --plugins",
    runs="--install-types",
    options="--config-file: --python-version: --platform: --cache-dir: --exclude="
    " --follow-imports: --disable-error-code: --enable-error-code: --html-report:"
    " --txt-report: --xml-report: --junit-xml: --any-exprs-report: --linecount-report:"
    " --cobertura-xml-report: -m: -p: --module: --package: --show-error-codes --strict"
    " --ignore-missing-imports --pretty --non-interactive",
    reads="-c --command",
)
_TASK = Spec(
    options="--fast --strict --env: -t: --port: -v -q -c: -j: --release --verbose --quiet"
    " --no-dev --no-interaction -n --prefer-dist --mode: --optimize-autoloader --all --trace"
    " --force --filter= --outDir: --check-formatted --watch",
    operands=(ARGUMENT,),
    closed=True,
    note=PROJECT,
)
_BUILDS: Mapping[str, Spec | Bar] = {
    **_each(
        "make gmake remake",
        Spec(
            takes={"-f --file --makefile": MAKEFILE},
            options="-C: --directory: -I: --include-dir: -j? --jobs?: -l?: --load-average?: -o:"
            " -W: --old-file: --what-if: --new-file: --assume-new: -n -k -s -B -q -t -p -w -i"
            " -e -d -r -R -S -O? -b -m -h -v --help --version --dry-run --just-print"
            " --keep-going --silent --quiet --always-make --question --touch"
            " --print-data-base --print-directory --no-print-directory --ignore-errors"
            " --no-builtin-rules --debug?: --no-builtin-variables --output-sync?:"
            " --warn-undefined-variables --trace --shuffle?: --assume-old: --recon --stop"
            " --environment-overrides --check-symlink-times",
            operands=(GOAL,),
            runs="-E --eval --jobserver-auth --jobserver-fds --jobserver-style",
            closed=True,
            note=PROJECT,
        ),
    ),
    **_each(
        "npm cnpm",
        Spec(
            options=_NPM_OPTIONS,
            runs=_NPM_RUNS,
            loads=_NPM_LOADS,
            subcommands={
                **_NPM,
                **_each(
                    "install i ci clean-install ic install-clean it install-test cit"
                    " clean-install-test update up upgrade",
                    _NPM_INSTALLS,
                ),
                **_each(
                    "config c",
                    Spec(
                        subcommands=_each("get list ls", Spec(operands=(TEXT,))),
                        otherwise=Bar(LOADS),
                    ),
                ),
                **_each(
                    "init innit create",
                    Spec(operands=(NOTHING,), options="-y --yes", demands="-y --yes"),
                ),
                **_each("get help-search", _NPM_LOOKS),
                **_each("exec x explore edit", Bar(RUNS)),
                **_each("add link ln", _NO_PACKAGE),
                **_each("publish login adduser token owner", Bar(CONNECTS)),
                "set": Bar(LOADS),
                "help": Bar(ASKS),
            },
            otherwise=Bar(RUNS),
            inherits=True,
        ),
    ),
    "npx": Bar(RUNS),
    "pnpx": Bar(RUNS),
    "bunx": Bar(RUNS),
    "uvx": Bar(RUNS),
    "pipx": Bar(RUNS),
    "corepack": Bar(RUNS),
    **_each(
        "yarn yarnpkg pnpm bun",
        Spec(
            options=_NPM_OPTIONS,
            runs=f"{_NPM_RUNS} -e --eval -p --print",
            loads=f"{_NPM_LOADS} --preload --require",
            subcommands={
                **_NPM,
                **_each("install i ci update up upgrade", _NPM_INSTALLS),
                **_each(
                    "build lint dev format typecheck check coverage preview",
                    _RUN,
                ),
                "workspace": Spec(operands=(TEXT, USUAL_TASK, ARGUMENT), note=PROJECT),
                **_each(
                    "exec x dlx node create init explore patch repl",
                    Bar(RUNS),
                ),
                **_each("add link global", _NO_PACKAGE),
                "config": Spec(subcommands=_each("get list", _NPM_LOOKS), otherwise=Bar(LOADS)),
                "store": Spec(subcommands=_each("path status", _NPM_LOOKS), otherwise=Bar(WRITES)),
                "fetch": _NPM_INSTALLS,
                **_each("set plugin policies setup env", Bar(LOADS)),
            },
            otherwise=Bar(RUNS),
            inherits=True,
        ),
    ),
    "cargo": Spec(
        options=_CARGO_MAIN.options,
        runs=_CARGO_MAIN.runs,
        subcommands={**_CARGO, **_each("+stable +nightly +beta", _CARGO_MAIN)},
        otherwise=_CARGO_MAIN.otherwise,
        closed=True,
    ),
    "go": _GO,
    "gofmt": Spec(options="-r: -l -w -d -s -e", writes="-cpuprofile"),
    "rustc": Spec(
        options="-o: --crate-name: --crate-type: --edition: --target: --emit: -O -g --test -V"
        " --explain: --print: -A: -W: -D: -F: --cfg: --out-dir: --version --help -h -v"
        " --verbose",
        runs="-C --codegen -Z",
        loads="-L --extern --sysroot @",
    ),
    "rustdoc": Spec(
        options="-o: --out-dir: --crate-name: --edition: --test -v --version -h --help",
        runs="--runtool --test-runtool --test-builder --test-args -Z -C",
        loads="-L --extern --sysroot",
        closed=True,
    ),
    "coverage": Spec(
        subcommands={
            "run": Spec(
                options="-m> -p --branch --source: --include= --omit: -a --append",
                operands=(SCRIPT, ARGUMENT),
                modules=frozenset({"pytest", "unittest"}),
                loads="--rcfile --plugin --concurrency --context",
                closed=True,
                ordered=True,
                note=PROJECT,
            ),
            **_each(
                "report html xml json lcov combine erase annotate",
                Spec(loads="--rcfile"),
            ),
        },
        options="--version --help -h",
        closed=True,
    ),
    **_each(
        "just task",
        Spec(
            options="-l --list -n --dry-run -v -q --version --help", operands=(GOAL,), closed=True
        ),
    ),
    "tox": Spec(
        options="-e: -r -p? -v -q -l --version --help",
        subcommands=_each(
            "run r run-parallel p list l",
            Spec(options="-e: -r -p? -v -q", operands=(ARGUMENT,), closed=True, note=PROJECT),
        ),
        closed=True,
        note=PROJECT,
    ),
    "nox": Spec(
        options="-s: -l -r -R -v --list --version --help -k= -t:", closed=True, note=PROJECT
    ),
    "mix": Spec(
        subcommands=_each("test compile format deps deps.get clean credo dialyzer", _TASK),
        options="--version --help",
        closed=True,
    ),
    **_each(
        "swift stack cabal zig",
        Spec(
            subcommands=_each("build test check clean bench fmt", _TASK),
            options="--version --help",
            closed=True,
        ),
    ),
    "composer": Spec(
        subcommands={
            **_each("install test validate show dump-autoload check", _TASK),
            **_each("lint outdated audit diagnose licenses build run run-script", _TASK),
        },
        options="--version -V -n --no-interaction -q -v --no-ansi",
        closed=True,
    ),
    "phpunit": Spec(
        options="--filter= --testsuite: --group: -c: --configuration: --colors?:"
        " --stop-on-failure -v --testdox --debug --no-coverage --version",
        loads="--bootstrap --include-path -d --prepend --printer --extensions --loader",
        closed=True,
        note=PROJECT,
    ),
    "webpack": Spec(
        options="--mode: -c: --config: -w --watch -o: --output-path: --env: --progress --version",
        subcommands=_each("build watch", _TASK),
        closed=True,
        note=PROJECT,
    ),
    "vite": Spec(
        subcommands=_each("build optimize preview", _TASK),
        options="--version -v --help -h",
        closed=True,
    ),
    **_each(
        "nx turbo lerna mkdocs",
        Spec(
            subcommands=_each("test build lint run run-many affected", _TASK),
            options="--version --help",
            closed=True,
        ),
    ),
    **_each(
        "bazel bazelisk buck2",
        Spec(
            subcommands=_each(
                "build test query clean info", Spec(operands=(TEXT,), closed=True, note=PROJECT)
            ),
            options="--version --help",
            closed=True,
        ),
    ),
    "sphinx-build": Spec(options="-b: -d: -j: -W -n -q -v -E -a --version", closed=True),
    "gem": Spec(
        subcommands=_each("list env environment search info", _WORDS), otherwise=_NO_PACKAGE
    ),
    "addr2line": Spec(options="-e: -f -C -i -p -a -s"),
    "rollup": Spec(
        options="-c?: --config?: -i: --input: -o: --file: -d: --dir: -f: --format: -w -m -v -h",
        closed=True,
        note=PROJECT,
    ),
    "esbuild": Spec(
        options="--bundle --minify --outfile: --outdir: --platform: --format: --target:"
        " --sourcemap?: --watch --version --splitting --outbase: --tree-shaking: --log-level:"
        " --define:",
        closed=True,
    ),
    "rustfmt": Spec(options="--edition: --check -l -q -v --emit: --color:", loads="--config-path"),
    "rustup": Spec(
        subcommands={
            **_each("show check which target component", _WORDS),
            "toolchain": Spec(subcommands={"list": _WORDS}, otherwise=_NO_PACKAGE),
        },
        options="--version -V --help -h -v -q",
        otherwise=Bar(RUNS),
        closed=True,
    ),
    "uv": Spec(
        subcommands={
            "run": Spec(inner=0, closed=True, options="--frozen --locked --no-sync -q -v"),
            **_each("sync lock tree version", Spec(closed=True, note=PROJECT)),
            "pip": Spec(subcommands=_each("list show freeze check", _WORDS)),
        },
        options="--version -V -q -v --help",
        otherwise=_NO_PACKAGE,
        closed=True,
    ),
    "pip": (
        Spec(
            options="--version -V --disable-pip-version-check -q -v --quiet --verbose --isolated"
            " --no-color --no-input --help -h --require-virtualenv",
            subcommands={
                **_each(
                    "list freeze check inspect hash debug tree help",
                    Spec(
                        options="--format: --exclude= -o -u -l -e --outdated --uptodate --local",
                        connects="--index-url -i --extra-index-url --find-links -f --trusted-host",
                    ),
                ),
                "show": Spec(options="-f --files -v", operands=(TEXT,)),
                "config": Spec(subcommands=_each("list get", _WORDS), otherwise=Bar(LOADS)),
                "cache": Spec(subcommands=_each("dir info list", _WORDS), otherwise=Bar(WRITES)),
                "install": Spec(
                    takes={
                        "-e --editable": PROJECT_FOLDER,
                        "-r --requirement -c --constraint": PACKAGES,
                    },
                    options="-q -v -U --quiet --verbose --upgrade --no-deps --no-cache-dir --pre"
                    " --dry-run --no-input --disable-pip-version-check --require-hashes"
                    " --no-build-isolation --prefer-binary --force-reinstall --user",
                    operands=(PROJECT_FOLDER,),
                    closed=True,
                    note=PROJECT,
                ),
                **_each(
                    "download wheel uninstall index sync add run",
                    _NO_PACKAGE,
                ),
            },
            loads="--python --proxy --cert --config-file",
            otherwise=Bar(RUNS),
            closed=True,
        )
    ),
    "pipenv": Spec(
        subcommands={
            **_each("install sync lock graph check verify", Spec(operands=(NOTHING,), closed=True)),
            "run": Spec(inner=0, closed=True),
        },
        options="--version --help -h --venv --where --py",
        otherwise=Bar(RUNS),
        closed=True,
    ),
    "hatch": Spec(
        subcommands=_each("test fmt build clean version status", _TASK),
        options="--version --help -h -v -q",
        otherwise=Bar(RUNS),
        closed=True,
    ),
    "pre-commit": Spec(
        subcommands={
            "run": Spec(
                options="-a --all-files --files: -v --verbose --show-diff-on-failure --hook-stage=",
                operands=(TEXT, PATH),
                closed=True,
                note=PROJECT,
            )
        },
        options="--version -V --help -h",
        otherwise=_NO_PACKAGE,
        closed=True,
    ),
    **_each(
        "gulp grunt invoke inv",
        Spec(
            options="-l -T --list --tasks --silent -v --version -V --help -h",
            operands=(TEXT,),
            closed=True,
            note=PROJECT,
        ),
    ),
    **_each(
        "lein crystal",
        Spec(
            subcommands=_each("test spec check compile build clean deps version uberjar", _TASK),
            options="-v --version --help -h",
            otherwise=Bar(RUNS),
            closed=True,
        ),
    ),
    "parcel": Spec(
        subcommands={
            "build": Spec(
                options="--dist-dir: --public-url= --no-cache --no-source-maps --no-optimize",
                closed=True,
                note=PROJECT,
            )
        },
        options="--version -V --help -h",
        otherwise=Bar(LOADS),
        closed=True,
    ),
    "nim": Spec(
        subcommands=_each(
            "c compile cpp js check doc",
            Spec(
                options="-d= --define= -o: --out: --outdir: --hints= --warnings= --opt="
                " --verbosity=",
                closed=True,
                note=PROJECT,
            ),
        ),
        options="-v --version -h --help",
        otherwise=Bar(RUNS),
        closed=True,
    ),
    "ghc": Spec(
        options="-Wall -Wextra -Werror -W -O -O0 -O1 -O2 -o: -outputdir: -odir: -hidir: -i?: -c -v"
        " -make -fno-code -threaded -g -no-link -version -V -help",
        operands=(MEMBER,),
        runs="-e -F -pgmF",
        single=True,
        closed=True,
        note=PROJECT,
    ),
    "kotlinc": Spec(
        options="-d: -include-runtime -cp: -classpath: -version -help -nowarn -Werror -verbose"
        " -progressive -jvm-target= -language-version=",
        operands=(MEMBER,),
        runs="-script -e -expression",
        single=True,
        closed=True,
        note=PROJECT,
        needs=Bar(ASKS),
        alone="-version -help",
    ),
    "poetry": Spec(
        subcommands={
            **_each("show check version build about install lock", _WORDS),
            "env": Spec(subcommands=_each("info list", _WORDS), otherwise=Bar(LOADS)),
            "run": Spec(inner=0, closed=True),
        },
        options="--version -V -q -v -n --help -h",
        otherwise=Bar(RUNS),
        closed=True,
    ),
    "pytest": Spec(
        takes={"-W --pythonwarnings": WARNING, "-p": NO_PLUGIN},
        options="-c: --config-file: --rootdir: --confcutdir: -k: -m: -n: --maxfail: --tb:"
        " --durations: --cov?: --cov-report: --timeout: --log-level: --junitxml: --junit-xml:"
        " --ignore: --ignore-glob: --deselect: --color: --capture: --cache-dir: --basetemp:"
        " --html: -r: --lf --ff --sw --nf --co -x -v -q -s -l --verbosity: --reruns:"
        " --exitfirst --collect-only --last-failed --failed-first --stepwise --new-first"
        " --no-header --no-summary --showlocals --strict-markers --strict-config --fixtures"
        " --markers --version --help -h --no-cov --cov-branch --cov-fail-under: --dist:"
        " --numprocesses: --verbose --quiet --disable-warnings --runxfail --doctest-modules"
        " --setup-show --setup-only --setup-plan --cache-clear --cache-show --trace-config"
        " --doctest-glob: --log-cli-level: --random-order --benchmark-only --snapshot-update"
        " --asyncio-mode: --import-mode: --forked --keepdb --reuse-db",
        loads="-o --override-ini --pyargs --pythonpath --ds --plugin --cov-config --log-file"
        " --pastebin",
        asks="--pdb --trace --pdbcls",
        runs="--debug",
        note=PROJECT,
    ),
    **_each("mypy dmypy", _TYPES),
    "pyright": Spec(options="-p: --project: --outputjson --stats --level:", loads="--pythonpath"),
    "black": Spec(
        options="--config: -l: --line-length: -t: --target-version: --include= --exclude= -c:"
        " --code: --extend-exclude= --force-exclude= --stdin-filename: -S -C -q -v --check"
        " --diff --fast --safe --color --no-color --preview --workers: -W:"
        " --required-version: --line-ranges:",
    ),
    **_each(
        "ruff eslint prettier flake8 pylint isort stylelint biome shellcheck yamllint"
        " markdownlint golangci-lint pyflakes pycodestyle pydocstyle bandit autopep8"
        " yapf oxlint",
        _LINTER,
    ),
    **_each("rubocop tslint", replace(_LINTER, loads=f"{_LINTER.loads} -r -s")),
    "tsc": Spec(
        options="-p: --project: --outDir: --rootDir: --outFile: --module: -m: --target: -t:"
        " --lib: -w -b --build --jsx: --moduleResolution: --declaration --noEmit --strict"
        " --init --watch -v -h --types: --pretty --esModuleInterop --skipLibCheck"
        " --incremental --tsBuildInfoFile:",
        loads="--plugins --generateCpuProfile --generateTrace",
    ),
    **_each(
        "jest vitest mocha ava tap",
        Spec(
            takes={"--config -c": SETTINGS},
            options="-t: --testNamePattern: --run --coverage --watch --watchAll?: --runInBand -i"
            " -w: --verbose --silent --ci --grep: -g: --timeout: --reporter: --bail?: -u"
            " --bail --dir:",
            loads="--globalSetup --globalTeardown --setupFiles --runner --testRunner --transform"
            " --resolver --reporters --testEnvironment --setupFilesAfterEnv --require -r"
            " --loader --import --node-option -n --ui --file --preset --environment --filter",
            note=PROJECT,
        ),
    ),
    **_each(
        "mvn mvnw",
        Spec(
            options="-f: --file: -P: --activate-profiles: -pl: --projects: -T: --threads: -q -o"
            " -U -X -e -B -N -am -amd -v -V -h -nsu -fae -ff -fn --version --offline --quiet"
            " --batch-mode",
            operands=(GOAL_OF_MAVEN,),
            loads="-s --settings -gs --global-settings -t --toolchains -Dexec -Dmaven.ext -Djvm"
            " -Dargline -DargLine -Dgroovy -Dsource"
            " -Dmaven.compiler.executable -Dmaven.compiler.fork -Dmaven.surefire.debug -Dgpg"
            " -DremoteRepositories -l --log-file -gt --global-toolchains -b --builder",
            single=True,
            note=PROJECT,
        ),
    ),
    **_each(
        "gradle gradlew",
        Spec(
            options="-p: --project-dir: -x: --tests: -q -i -d -s -S --info --debug --stacktrace"
            " -P: --parallel --offline --continue --daemon --no-daemon --scan --rerun-tasks"
            " --version -v --console: --max-workers: --build-cache --no-build-cache"
            " --warning-mode: --quiet -m",
            operands=(TEXT,),
            loads="--gradle-distribution-url -I --init-script -b --build-file -c --settings-file"
            " --include-build -g -D -M"
            " -t --gradle-user-home --system-prop --project-cache-dir",
            note=PROJECT,
        ),
    ),
    "dotnet": Spec(
        subcommands={
            **_each(
                "build test run restore clean publish pack format list",
                Spec(
                    options="-c: --configuration: -f: --framework: -o: --output: -r: --runtime:"
                    " -v: --filter: --project: --verbosity: --list-tests --verify-no-changes"
                    " --no-build --no-restore -l: --logger:",
                    operands=(ARGUMENT,),
                    takes={"--collect": COLLECTOR},
                    loads="-s --source --settings --test-adapter-path -d --diag --configfile",
                    closed=True,
                    note=PROJECT,
                ),
            ),
            "new": Spec(operands=(ARGUMENT,), loads="-i --install"),
            "sln": Spec(operands=(ARGUMENT,)),
        },
        options="--version --info --list-sdks --list-runtimes --help -h",
        otherwise=Bar(LOADS),
        closed=True,
    ),
    "bundle": Spec(
        subcommands={
            **_each("install check list show outdated info", _WORDS),
            "exec": Spec(inner=0, closed=True),
        },
        options="--version -v --help",
        otherwise=Bar(RUNS),
        closed=True,
    ),
    "rake": Spec(
        options="-T? -P -n -q -s -t -v -V -m -j: -A -D? -W? -C: --tasks --trace --version --help"
        " -h --dry-run --silent --quiet --all --prereqs",
        operands=(TASK_OF_RAKE,),
        runs="-e -p -E --execute --execute-print --execute-continue",
        loads="-f --rakefile -I --libdir -r --require -R --rakelibdir -g --system -G --no-system",
        closed=True,
        note=PROJECT,
    ),
    "rspec": Spec(
        options="-e: --example: -t: --tag: -f: --format: -o: -P: --seed: --order: --color -c -b",
        loads="-r --require -I -O --options --default-path --init --drb",
        note=PROJECT,
    ),
    "cmake": Spec(
        options="-S: -B: --build: --install: --preset: --target: -t: --config: -G: -T: -A: -j?:"
        " -U: --parallel?: --prefix: --fresh --clean-first --verbose -v -Wno-dev -Wdev -L -LA"
        " -N --version --help --log-level: --list-presets",
        takes={"-D": DEFINITION},
        operands=(NATIVE,),
        runs="-E -P --build-and-test --debugger --open",
        loads="-C --toolchain --graphviz --trace-redirect --profiling-output",
        single=False,
        note=PROJECT,
    ),
    "ctest": Spec(
        options="-R: -E: -L: -LE: -j?: -C: -V -VV -N -Q -I: --test-dir: --output-on-failure"
        " --preset: --timeout: --repeat: --parallel?: --rerun-failed --verbose --quiet"
        " --stop-on-failure",
        runs="-S -SP --script --build-and-test -D --dashboard --test-command --extra-script",
        loads="--script-new-process --launch",
        note=PROJECT,
    ),
    "ninja": Spec(
        options="-C: -f: -j: -k: -l: -n -v -d: -t: -w:", operands=(ARGUMENT,), note=PROJECT
    ),
    "meson": Spec(
        subcommands=_each("setup compile test introspect configure", _RUN),
        options="--version --help",
        closed=True,
        otherwise=Bar(RUNS),
    ),
    **_each(
        "gcc g++ cc c++ clang clang++ tcc cpp c89 c99 gfortran",
        Spec(
            options="-o: -c -S -E -g -O -O0 -O1 -O2 -O3 -Os -Wall -Wextra -Werror -pedantic -std:"
            " -I: -L: -D: -U: -l: -include: -isystem: -MF: -MT: -MQ: -x: -fPIC -pthread"
            " -shared -static",
            operands=(MEMBER,),
            runs="-ld-path -gcc-toolchain -prefix -ccc -cc1 -wrapper"
            " -B -fuse-ld -no-integrated-as -fintegrated-cc1 -plugin -pass-exit-codes",
            loads="-fplugin -specs -Xclang -load -fpass-plugin -Xlinker -Wl -Xassembler"
            " -Xpreprocessor -Wa -Wp -mllvm --config -fplugin-arg -iplugindir -dumpdir"
            " -fmodule-mapper",
            single=True,
        ),
    ),
    **_each("ld as gold lld", Bar(LOADS)),
    "javac": Spec(
        single=True, options="-d: -cp: -sourcepath:", loads="-processor -processorpath -J -Xplugin"
    ),
    **_each("nm objdump readelf size ldd", Spec(loads="--plugin -@ @")),
    "pandoc": Spec(
        takes={"-f -t -r -w --from --to --read --write": FORMAT},
        options="-o: --output: -s --standalone --toc -N -M: -V: --metadata:",
        runs="-F --filter -L --lua-filter --pdf-engine --pdf-engine-opt",
        loads="-d --defaults --data-dir --extract-media --template -H -B -A --syntax-definition",
    ),
    "terraform": Spec(
        subcommands=_each(
            "validate fmt version show graph providers output",
            Spec(single=True, operands=(PATH,)),
        ),
        otherwise=Bar(RUNS),
        closed=True,
        options="-version -help",
        single=True,
    ),
}

# What reaches out. Fetching is what listing them means; where they read and write is judged.
_NETWORK: Mapping[str, Spec | Bar] = {
    "curl": Spec(
        options="-X= -A= -e= -u= -m= -r= -y= -Y= -C= -x= -z= -P= -s -S -L -I -i -f -v -k -g -G -O"
        " -J -j -N -n -R -q -a -l -p -Z -0 -1 -2 -3 -4 -6 -# -o: -c: -D: -h"
        " --request= --user= --user-agent= --referer= --retry= --retry-delay="
        " --retry-max-time= --max-time= --range= --connect-timeout= --max-redirs="
        " --limit-rate= --form-string= --resolve= --interface= --ciphers= --proto="
        " --proto-redir= --data-raw= --oauth2-bearer= --time-cond= --proxy= --continue-at="
        " --output: --cookie-jar: --dump-header: --cacert:"
        " --capath: --stderr: --trace: --trace-ascii: --output-dir: --netrc-file:"
        " --etag-save: --pass= --etag-compare: --crlfile: --hsts: --alt-svc:"
        " --max-filesize= --get --remote-name --remote-header-name"
        " --remote-name-all --location --fail --fail-with-body --fail-early --silent"
        " --show-error --head --include --insecure --compressed --verbose --http1.1 --http2"
        " --http1.0 --http3 --no-progress-meter --progress-bar --create-dirs --basic --digest"
        " --location-trusted --no-buffer --next --parallel --globoff --path-as-is --ipv4"
        " --ipv6 --help --version --tlsv1.2 --tlsv1.3 --retry-all-errors --retry-connrefused"
        " --append --ssl-reqd -V --styled-output --no-keepalive --tcp-nodelay --anyauth"
        " --netrc --netrc-optional",
        takes={
            "-d --data --data-binary --data-ascii --json": DATA,
            "--data-urlencode --url-query": ENCODED,
            "-H --header --proxy-header": DATA,
            "-b --cookie": PATH,
            "-F --form": FORM,
            "-w --write-out": WRITE_OUT,
            "-T --upload-file": UPLOAD,
            "-E --cert --key": KEY,
            "--cert-type --key-type": KEY_TYPE,
            "--url": ADDRESS,
        },
        operands=(URL,),
        loads="-K --config --engine",
        connects="--unix-socket --abstract-unix-socket --preproxy --telnet-option -t"
        " --proxy-unix-socket --socks4 --socks4a --socks5 --socks5-hostname --connect-to"
        " --doh-url --ftp-port -B -U -Q --quote",
        writes="--libcurl --trace-config --url-file",
        closed=True,
    ),
    "wget": Spec(
        options="-q -c -n -d -H -N -r -l= -p -k -m -S -v -4 -6 -E -O: --output-document: -P:"
        " --directory-prefix: -t= --tries= -T= --timeout= -w= --wait= -A= -R= -D= -U="
        " --user-agent= --header= --user= --password= --method= --body-data= --post-data="
        " --limit-rate= --accept= --reject= --level= -o: --output-file: -a: --append-output:"
        " --post-file: --body-file: -b --load-cookies: --save-cookies: --no-check-certificate"
        " --spider --quiet --continue --mirror --recursive --no-parent --timestamping"
        " --show-progress --no-verbose --certificate: --private-key: --ca-certificate:"
        " --content-disposition --server-response --no-clobber --https-only --inet4-only"
        " --help --version -h -V",
        operands=(URL,),
        runs="--use-askpass -e --execute",
        loads="--config",
        reads="-i --input-file -B --base",
        closed=True,
    ),
    **_each(
        "ssh slogin",
        Spec(
            options="-p= -l= -i: -q -v -4 -6 -n -N -T -t -x -a -C -k -V -f -b= -c= -m= -B=",
            operands=(HOST, TEXT),
            runs="-o -I -e -y -O",
            loads="-F",
            writes="-E -S -M",
            connects="-D -L -R -W -w -J -Q -G -A -X -Y -g -K",
            closed=True,
        ),
    ),
    **_each(
        "scp sftp",
        Spec(
            options="-P= -i: -l= -c= -q -r -p -v -C -4 -6 -B -3 -T -O",
            runs="-S -o -D -s -J -R -X",
            loads="-F",
            reads="-b",
            fed=Bar(INPUT),
            closed=True,
        ),
    ),
    "rsync": Spec(
        options="--exclude= --include= --exclude-from: --include-from: --bwlimit= --timeout="
        " --port= --max-size= --min-size= --chmod= --chown= --backup-dir: --compare-dest:"
        " --copy-dest: --suffix= --link-dest: --partial-dir: --temp-dir: -T: --log-file:"
        " --out-format= --info= --debug= -B= -a -v -z -r -l -p -t -g -o -D -n -u -c -h -i -P"
        " -q -x -W -H -A -X -S -R -C -k -K -L -b -d -y -m -O -J --delete --progress --stats"
        " --dry-run --archive --verbose --compress --partial --recursive --update --checksum"
        " --itemize-changes --human-readable --size-only --inplace --ignore-existing"
        " --delete-after --delete-excluded --existing --links --perms --times --mkpath"
        " --numeric-ids --whole-file --prune-empty-dirs --cvs-exclude --help --version",
        runs="-e --rsh --rsync-path -M --remote-option --daemon --server --sender --early-input",
        loads="--config --password-file --read-batch --only-write-batch --write-batch"
        " --files-from -f --filter",
        closed=True,
    ),
    "ss": Spec(
        options="-t -u -l -n -p -a -s -4 -6 -o -e -m -i -x -w -r -b -H -O -E -M -Z -z -S -d -0"
        " -f= -A= --tcp --udp --listening --numeric --processes --all --summary --options"
        " --family= --query=",
        operands=(TEXT,),
        reads="-F --filter",
        writes="-D --diag -K --kill -N --net",
        closed=True,
    ),
    "netstat": Spec(operands=(TEXT,)),
    "ip": Spec(
        options="-4 -6 -br -brief -s -d -j -p -o -c -h -color -json -details -stats -oneline",
        subcommands=_each(
            "a addr address r route l link n neigh rule maddr",
            _WORDS,
        ),
        runs="-b -batch -force -n -netns",
        otherwise=Bar(RUNS),
        single=True,
        closed=True,
    ),
    "openssl": Spec(
        subcommands=_each(
            "dgst md5 sha1 sha256 sha512 x509 rand version verify enc base64 asn1parse crl rsa"
            " pkey ec ciphers prime genrsa genpkey ecparam passwd pkcs12 pkcs8 req speed list"
            " errstr dhparam pkeyutl rsautl nseq crl2pkcs7 pkcs7",
            Spec(
                single=True,
                operands=(PATH,),
                options="-in: -out: -inkey: -CAfile: -CApath: -key: -keyout: -subj= -days= -pass:"
                " -passin: -passout: -signature: -sign: -verify: -nodes -newkey= -x509 -new"
                " -noout",
                loads="-engine -provider -provider-path -propquery -config -extfile -keyform -oid"
                " -engine_impl -keygen_engine -provparam -extensions",
                reads="-writerand -rand -CArand -kdfopt",
            ),
        ),
        otherwise=Bar(CONNECTS),
        closed=True,
        single=True,
        options="-version -help",
    ),
    "tcpdump": Bar(RUNS),
    "crontab": Bar(RUNS),
    "nmap": Spec(
        options="-p= -sS -sT -sU -sV -sn -Pn -O -T4 -F -v -oN: -oX: -oG: -oA: -n -6 -A",
        operands=(TEXT,),
        runs="--script --script-args --script-args-file --interactive --script-updatedb -sC",
        loads="--datadir --servicedb --versiondb --stylesheet --resume",
        reads="-iL -iR --excludefile --dns-servers",
        single=True,
        closed=True,
    ),
}

# What keeps data. Clients that are told statements can run programs by them.
_DATA: Mapping[str, Spec | Bar] = {
    "sqlite3": Spec(
        options="-header -noheader -csv -json -column -line -list -html -markdown -table -box"
        " -batch -readonly -separator= -nullvalue= -newline= -bail -echo -version -help -safe"
        " -quote -tabs",
        operands=(DATABASE_FILE, QUERY),
        loads="-init -interactive -A -zip -vfs",
        runs="-cmd",
        fed=Bar(INPUT),
        single=True,
        closed=True,
    ),
    **_each(
        "psql mysql mariadb",
        Spec(
            options="-c* --command* -e* --execute* -h= --host= -p?= --port= -U= -u= --user="
            " --username= -d= -D= --dbname= --database= -t -A -q -l --list -w -x -N -B -s -r"
            " -n -X --no-psqlrc --csv --version -V --help -P=",
            operands=(QUERY,),
            runs="-v --set --variable --pager --tee --init-command --plugin-dir --default-auth",
            loads="-f --file --defaults-file --defaults-extra-file --login-path -S --socket",
            writes="-o --output -L --log-file",
            demands="-c --command -e --execute -l --list -V --version",
            fed=Bar(INPUT),
            closed=True,
        ),
    ),
    "redis-cli": Spec(
        operands=(COMMAND_OF_REDIS,), runs="--eval --pipe", reads="-x -X --rdb", fed=Bar(INPUT)
    ),
    "bc": Spec(options="-l -q -s -w -i"),
}

# What holds the machine: a part of it is harmless, and a rule may open more.
_LOOK = Spec(operands=(TEXT,), reads="--config -f --file -F")
_LOOK_FILES = Spec(runs="--post-renderer")
_COMPOSE = Spec(
    subcommands=_each("ps images logs version top ls", _LOOK),
    options="--version -v --help",
    otherwise=Bar(RUNS),
    closed=True,
)
_HOST: Mapping[str, Spec | Bar] = {
    **_each(
        "docker podman nerdctl",
        Spec(
            options="--version -v --help -D -l: --log-level:",
            subcommands={
                **_each(
                    "ps images logs version info inspect stats top port",
                    Spec(
                        operands=(TEXT,),
                        options="--filter: -f -a -q --format: --tail: --since: -n:",
                    ),
                ),
                "compose": _COMPOSE,
            },
            otherwise=Bar(RUNS),
            closed=True,
        ),
    ),
    "docker-compose": _COMPOSE,
    **_each(
        "kubectl oc",
        Spec(
            options="-n: --namespace: --context: --cluster: -h --help",
            subcommands=_each(
                "get describe logs version explain top api-resources api-versions cluster-info",
                Spec(
                    options="-o: --output: -l: --selector: -n: --namespace: -c: --container:"
                    " --tail: --since: -A -w --all-namespaces --sort-by: -h --previous -p",
                    operands=(TEXT,),
                    loads="--kubeconfig --server -s --token --cache-dir --as",
                    reads="-f --filename -k --kustomize --raw --template",
                ),
            ),
            otherwise=Bar(RUNS),
            closed=True,
        ),
    ),
    "helm": Spec(
        subcommands=_each("list ls status version history search lint template", _LOOK_FILES),
        otherwise=Bar(RUNS),
        closed=True,
    ),
    "systemctl": Spec(
        options="--no-pager -a -l --all --full --type: -t: --state: --user --version --help -q",
        subcommands={
            **_each("is-active is-enabled is-failed get-default", Spec(operands=(TEXT,))),
            **_each(
                "status list-units list-unit-files list-timers list-sockets list-dependencies show",
                Spec(
                    operands=(TEXT,),
                    options="--no-pager -l -a -n: -p: --type: -t: --state:",
                    runs="-H -M",
                    demands="--no-pager",
                ),
            ),
        },
        otherwise=Bar(RUNS),
        closed=True,
        inherits=True,
        demands="--no-pager --version",
    ),
    "journalctl": Spec(
        demands="--no-pager",
        options="-u: --unit: -n: --lines: -S: --since: -U: --until: -p: --priority: -o: --output:"
        " -g: --grep: -t: --identifier: -b? -k -r -x -e -q -a -f --no-pager --disk-usage"
        " --list-boots",
        operands=(TEXT,),
        reads="--file --directory -D --root --image -i --cursor-file",
        deletes="--vacuum-size --vacuum-time --vacuum-files --rotate --flush",
        runs="-M --machine",
    ),
    **_each(
        "apt apt-cache brew apk dnf yum snap flatpak pacman",
        Spec(
            options="-l? --list -L? --version -q",
            subcommands=_each(
                "list show search policy depends rdepends info",
                Spec(operands=(TEXT,), runs="-o --option --setopt", loads="-c --config-file"),
            ),
            otherwise=Bar(RUNS),
            closed=True,
        ),
    ),
    "dpkg": Spec(
        options="-l --list -L --listfiles -s --status -S --search -p --print-avail --version"
        " --get-selections --print-architecture --no-pager",
        operands=(TEXT,),
        demands="--no-pager -L --listfiles -s --status -S --search -p --print-avail --version"
        " --get-selections --print-architecture",
        closed=True,
    ),
    "rpm": Spec(
        options="-q --query -a --all -i --info -l --list -c -d -R -f: --file: --changelog"
        " --version",
        operands=(TEXT,),
        demands="-q --query --version",
        closed=True,
    ),
    "mount": Bar(WRITES),
    "dmesg": Spec(
        runs="-H --human",
        options="-T -w -l: -f: -n: -k -u -x -t",
        operands=(TEXT,),
        reads="-F --file -K",
    ),
    "lsof": Spec(options="-i?: -p: -u: -c: -n -P -t -a -l", operands=(PATH,), writes="-D -A -k -m"),
    "gpg": Spec(
        options="--version --list-keys -k -K --list-secret-keys --fingerprint --verify -h --help",
        closed=True,
        otherwise=Bar(RUNS),
    ),
}

# All that they do is to run, load or connect to what they are told, or to wait at a terminal.
_REFUSED: Mapping[str, str] = {
    RUNS: """
        duckdb fx CompileDaemon limactl lima gitlab-runner runtest sbuild sudo sudoedit doas su
        runuser pkexec sg newgrp ksu capsh aa-exec chroot unshare nsenter setpriv systemd-run
        start-stop-daemon run-parts run-mailcap setarch linux32 linux64 i386 x86_64 script
        scriptreplay screen tmux tmate byobu zellij dtach abduco rlwrap expect watch parallel entr
        inotifywait watchexec nodemon flock setlock lckdo softlimit cpulimit prlimit choom multitime
        strace ltrace gdb gdbserver lldb valgrind perf rr bpftrace dtrace gcore crash uftrace at
        batch cron anacron fcron crond atd eval source . trap alias unalias complete compgen compopt
        enable bind builtin set shopt declare typeset local readonly export unset mapfile readarray
        read getopts let hash fc history fg bg disown logout suspend coproc firejail bwrap proot
        fakeroot fakechroot torify torsocks proxychains proxychains4 tsocks ansible ansible-playbook
        ansible-console ansible-test puppet chef knife salt salt-call facter vagrant virsh qemu lxc
        lxd lxc-exec machinectl arch-nspawn systemd-nspawn ctr crictl runc crun buildah mosh
        mosh-server autossh sshpass sshuttle ssh-agent ssh-copy-id pexec pdsh clush dsh pssh logsave
        busctl dbus-send gdbus xdotool xdg-open open osascript dialog whiptail zenity fzf sk gum
        agetty openvt login service rc-service invoke-rc.d telinit init shutdown reboot halt
        poweroff logrotate procmail mail mailx mutt sendmail pppd dhclient dhcpcd openvpn wg-quick
        ifup ifdown update-alternatives dpkg-reconfigure needrestart apt-get aptitude zypper opkg
        emerge nix nix-shell nix-build guix port mamba pixi asdf mise direnv nvm pyenv rbenv
        easy_install cpan cpanm luarocks ghcup opam rebar3 hex conan vcpkg tasksh mage fab
        pdm rush distcc ccache sccache icecc c_rehash genie gtester byebug
        pry rdb bashdb irb ghci runghc mktexlsr latex pdflatex xelatex lualatex tex pdftex
        luatex xetex latexmk etex lollipop dvips bashbug perlbug reportbug apport-cli aspell ispell
        enscript a2ps groff troff nroff eqn tbl pic grops grotty mandoc soelim lp lpr cancel
        cupsfilter ab siege hping3 tshark dumpcap wireshark ettercap bettercap snort suricata
        tcpreplay ngrep wall write tic infocmp captoinfo check_by_ssh check_cups check_log
        check_memory check_raid check_ssl_cert check_statusfile fail2ban-client iftop sysdig
        cryptsetup dmsetup debugfs fsck parted fdisk mkfs losetup lvm insmod modprobe rmmod kexec
        sysctl setcap setfacl chattr visudo vipw vigr passwd chsh chfn useradd usermod userdel
        groupadd adduser msgfilter multilog runit runsv sv s6 supervisorctl supervisord pm2 forever
        foreman overmind honcho procodile monit uwsgi gunicorn ssh-add unshar metamail groovysh
        gprolog ssh-keygen wine dosbox qemu-img volatility msfconsole sqlmap hashcat john hydra borg
        restic choco scoop winget powershell pwsh cmd wmic rundll32 regsvr32 mshta cscript wscript
        zless zmore xzless lessfile lesspipe lesspipe.sh xzmore bzless bzmore grc highlight ctags
        cscope global catman with-contenv caffeinate unbuffer numactl cgexec systemd-inhibit
        systemd-cat systemd-notify dbus-run-session dbus-launch mispipe faketime eatmydata trickle
        dumb-init tini catatonit gosu su-exec chpst envdir envuidgid setuidgid pgrphack daemon
        daemonize volta scl dotenv op doppler aws-vault chamber infisical vault summon sops teller
        envchain xterm uxterm urxvt rxvt kitty alacritty foot konsole gnome-terminal wezterm
        terminator tilix st xvfb-run xinit startx unison sash rc es gitk pidstat msmtp conda
        micromamba jupyter ipython ipython3 bpython ptpython xonsh marimo streamlit uvicorn celery
        flask django-admin clojure clj bb schroot pbuilder debuild dpkg-buildpackage rpmbuild
        tcpserver inetd xinetd stunnel svlogd execlineb s6-setuidgid s6-envdir nsjail minijail0
        runsc firecracker distrobox toolbox flatpak-spawn apptainer singularity udocker asciinema
        ttyrec mpirun mpiexec srun sbatch salloc qsub sem niceload lockf lockfile run0 please super
        retry tsp nq zx vite-node ts-node-dev coffee raku perl6 swipl prolog
        wolframscript scala-cli amm jbang kotlinc dex gtk-launch kioclient reptyr cage acr aoss
        dstat easyrsa fastfetch neofetch forge ksshell loginctl pdb pkg runscript tdbtool wish
        zsoelim mono dotnet-script act earthly dagger tig lazygit k9s kubectx keychain pass gopass
        nu git-upload-pack git-receive-pack git-shell git-upload-archive git-daemon
        git-http-backend git-remote-ext git-remote-fd git-credential-store pcregrep pcre2grep ugrep
        svnadmin bzr fossil darcs cvs nmcli resolvectl coredumpctl systemd-analyze
        systemd-tmpfiles udevadm bootctl launchctl dscl plutil sqlplus winrm cscli minikube kind k3s
        argocd flux istioctl stern glab hub cowsay cowthink tc bridge iotop nethogs code codex
        opencode claude aider gemini cursor copilot goose crush amp cody
    """,
    LOADS: """
        gawkextlib octave matlab sage maxima gp gnuplot R ginsh clisp sbcl ecl slsh scheme racket
        csi gsi erl iex ocaml utop kotlin jshell jrunscript jjs bsh ts-node tsx
        brunch jtag openocd gimp inkscape blender gs ghostscript convert magick mogrify identify
        compare composite montage ffmpeg ffprobe ffplay mpv mplayer vlc sox dot neato exiftool qpdf
        pdftk zathura yt-dlp youtube-dl m4 autoconf autoreconf autoheader automake aclocal scons waf
        pants ansible-galaxy terragrunt pulumi packer bee redcarpet pygmentize jekyll hugo ldconfig
        ld.so ld-linux ld-linux-x86-64.so.2 ld-linux.so.2 varnishncsa nginx apache2 apache2ctl httpd
        caddy lighttpd haproxy dnsmasq rsyslogd sshd smbd mosquitto redis-server mysqld postgres
        mongod mongo mongosh asterisk cobc dc eb ed red ex csvtool ascii-xfr jython rhino d8
    """,
    CONNECTS: """
        nc ncat netcat socat telnet ftp tftp lftp ncftp lwp-download lwp-request aria2c axel links
        lynx w3m elinks http https httpie xh smbclient rlogin rsh rexec finger whois ssh-keyscan
        sshfs minicom socket psftp plink putty pscp ntpdate rclone gsutil gcloud aws az s3cmd urlget
        bbot tailscale cloudflared ngrok rtorrent transmission-cli efax mtr mosquitto_sub
        mosquitto_pub snmpwalk ldapsearch certbot acme.sh
    """,
    ASKS: """
        vi vim nvim view rvim rview vimdiff gvim evim vim.tiny vim.basic nano rnano pico joe jed
        emacs emacsclient mg zile micro helix hx kak ne mcedit dte tilde mc ranger nnn lf vifm ncdu
        htop atop btop glances nmtui alsamixer alpine pine irssi weechat choose
    """,
    READS: """
        uuencode uudecode arj ascii85 base58 basez atobm bconsole espeak genisoimage xorriso mkisofs
        lastb utmpdump jlink logtail unsquashfs mksquashfs dosfsck dmidecode cdist scanmem
        wg iptables iptables-save ip6tables-save nft ebtables xmodmap xpad xmore yelp scrot plymouth
        xdg-user-dir systemd-resolve netplan redis
    """,
}

PROGRAMS: Mapping[str, Spec | Bar] = {
    **{name: Bar(effect) for effect, names in _REFUSED.items() for name in names.split()},
    **_PLAIN,
    **_TEXTS,
    **_ARCHIVES,
    **_WRAPPERS,
    **_INTERPRETERS,
    **_VERSIONING,
    **_BUILDS,
    **_NETWORK,
    **_DATA,
    **_HOST,
}
"""Everything that is known, by the base name of the program."""

VERSIONS: Mapping[str, str] = {
    **_each(
        "npx pipx pdm conda ansible aws gcloud az vim nvim nano emacs screen code R gdb strace"
        " valgrind convert ld nix",
        "--version",
    ),
    **_each("ffmpeg ffprobe", "-version"),
    "tmux": "-V",
    "nginx": "-v",
}
"""The one word by which a program that is refused tells its version, and does nothing else."""

ALIASES: Mapping[str, str] = {
    **_each("zgrep zegrep zfgrep xzgrep", "grep"),
    **_each("zdiff xzdiff", "diff"),
    **_each("egrep fgrep ggrep", "grep"),
    **_each("gawk mawk nawk original-awk goawk", "awk"),
    **_each("gtar bsdtar", "tar"),
    **_each("gsed ssed", "sed"),
    **_each("gfind bfs", "find"),
    **_each("fdfind", "fd"),
    **_each("gojq jaq", "jq"),
    **_each("batcat", "bat"),
    **_each("rpmquery rpmverify rpmdb", "rpm"),
    **_each("bundler", "bundle"),
    **_each("py.test", "pytest"),
    **_each("gtime", "time"),
    **_each("zipinfo", "unzip"),
    **_each("unzstd zstdcat", "zstd"),
    **_each("hd", "hexdump"),
    **_each("ripgrep", "rg"),
}
"""Other names of the same program."""
