// What a person can do on the page; views call these and know nothing else.

/** The buttons and fields. */
export type Actions = {
  readonly switchLanguage: () => void;
  readonly setName: (name: string) => void;
  readonly join: () => void;
  readonly setCamera: (on: boolean) => void;
  readonly setMicrophone: (on: boolean) => void;
  readonly chooseCamera: (id: string) => void;
  readonly chooseMicrophone: (id: string) => void;
  readonly testMicrophone: () => void;
  readonly testSound: () => void;
  readonly askToLeave: (asking: boolean) => void;
  readonly leave: () => void;
  /** Opens or closes the panel that explains the pictures. */
  readonly askWhy: (open: boolean) => void;
  readonly playSound: () => void;
  readonly soundBlocked: () => void;
  readonly rejoin: () => void;
  readonly tileShown: (track: string, lines: number) => void;
  readonly frameShown: (track: string, lines: number) => void;
};
