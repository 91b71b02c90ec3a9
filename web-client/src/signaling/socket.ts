// The WebSocket as the session sees it, so that a test can put a fake in its place.

/** One connection, from its opening to its end. */
export type Socket = {
  readonly send: (text: string) => void;
  readonly close: () => void;
};

/** What a connection tells; `closed` comes at most once and last, with the close code (RFC 6455 §7.4). */
export type SocketListener = {
  readonly opened: () => void;
  readonly received: (text: string) => void;
  readonly closed: (code: number) => void;
};

/** Opens a connection. */
export type OpenSocket = (listener: SocketListener) => Socket;

/** Opens WebSockets to one address. */
export function webSocketTo(url: string): OpenSocket {
  return (listener) => {
    const socket = new WebSocket(url);
    let over = false;
    socket.onopen = () => {
      if (!over) listener.opened();
    };
    socket.onmessage = (message: MessageEvent<unknown>) => {
      if (!over && typeof message.data === "string") listener.received(message.data);
    };
    socket.onclose = (close) => {
      if (!over) {
        over = true;
        listener.closed(close.code);
      }
    };
    return {
      send: (text) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
      },
      close: () => {
        over = true;
        socket.close();
      },
    };
  };
}
