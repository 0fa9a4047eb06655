import type { ProxyFiles } from './files.ts';

/** When the proxy's logs are looked at, and how long they may be. */
export interface LogLimits {
  readonly everySeconds: number;
  readonly largestBytes: number;
}

const usual: LogLimits = { everySeconds: 30, largestBytes: 64 << 20 };

/**
 * The command that becomes the proxy. Beside it runs a loop that keeps its logs from growing for ever: one that is too
 * long is copied to `FILE.1` and emptied, with which a few lines of that moment are lost. It ends after the proxy.
 *
 * HAProxy takes O_APPEND off the access log, its standard output. So it would begin at the file's start, whence the
 * `echo`; and after the file was emptied it would write on where it was, behind a hole. `dd` puts O_APPEND on again, for
 * all who share the open file (fcntl(2), F_SETFL).
 */
export function startCommand(files: ProxyFiles, { everySeconds, largestBytes }: LogLimits = usual): string[] {
  const script = `
exec >>"$1" 2>>"$2"
echo
shorten() {
  [ "$(stat -c %s "$1")" -ge ${largestBytes} ] || return
  dd oflag=append count=0 status=none
  cp "$1" "$1.1" && : >"$1"
}
(while sleep ${everySeconds}; kill -0 $$; do shorten "$1"; shorten "$2"; done 2>/dev/null &)
exec haproxy -W -S "$3",mode,600 -f "$4"`;
  return ['sh', '-c', script, 'haproxy', files.accessLog, files.log, files.masterSocket, files.config];
}
