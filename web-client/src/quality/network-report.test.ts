import { describe, expect, it } from "vitest";
import { attestedOfShell, claimOfPage, claimOfPerson, claimOfShell, ReportBook, startKbps } from "./network-report.js";
import { TileWishes } from "./tile-wishes.js";

describe("the page's claim", () => {
  it.each([
    ["cellular", "cell"],
    ["wifi", "wifi"],
    ["ethernet", "wired"],
    ["none", "unknown"],
  ])("of the type %s is the family %s", (type, family) => {
    expect(claimOfPage({ type, effectiveType: "4g" })).toEqual({
      source: "network_information",
      class: family,
      save_data: false,
      vpn: false,
      roaming: false,
    });
  });

  it("is none where the browser tells no type: `effectiveType` is a speed, not a network", () => {
    expect(claimOfPage({ effectiveType: "4g" })).toBeNull();
    expect(claimOfPage(undefined)).toBeNull();
  });
});

describe("the shell's claim", () => {
  const message = { source: "tvg-shell", type: "network", class: "5g", sequence: 3 };

  it("is read", () => {
    const plain = { source: "shell", class: "5g", save_data: false, vpn: false, roaming: false };
    expect(claimOfShell(message)).toEqual({ claim: plain, sequence: 3 });
    expect(claimOfShell({ ...message, vpn: true, roaming: true, save_data: true })?.claim).toEqual({
      ...plain,
      vpn: true,
      roaming: true,
      save_data: true,
    });
    expect(claimOfShell({ ...message, host: "wechat_mini_program" })?.claim.source).toBe("wechat_mini_program");
  });

  it.each([
    null,
    "5g",
    { ...message, source: "ad" },
    { ...message, class: "6g" },
    { ...message, class: "toString" },
    { ...message, sequence: -1 },
    { ...message, sequence: "3" },
    { ...message, host: "network_information" },
    { ...message, host: "person" },
    { ...message, vpn: "yes" },
    { ...message, type: "attested" },
  ])("is not %j", (other) => {
    expect(claimOfShell(other)).toBeNull();
  });
});

describe("the shell's signed report", () => {
  const signed = { app: "a", nonce: "n", sequence: 1, class: "4g", time_ms: 2, signature: "s" };
  const message = { source: "tvg-shell", type: "attested", ...signed };

  it("is read, and nothing beside it", () => {
    expect(attestedOfShell({ ...message, other: 1 })).toEqual(signed);
  });

  it.each([
    null,
    { ...message, source: "ad" },
    { ...message, type: "network" },
    { ...message, app: 1 },
    { ...message, nonce: undefined },
    { ...message, class: "6g" },
    { ...message, sequence: 1.5 },
    { ...message, time_ms: -1 },
    { ...message, signature: null },
  ])("is not %j", (other) => {
    expect(attestedOfShell(other)).toBeNull();
  });
});

describe("the hint of a link", () => {
  it("is a class or nothing", () => {
    expect(claimOfPerson("wifi")).toMatchObject({ source: "person", class: "wifi" });
    for (const other of [null, "", "6g", "toString"]) expect(claimOfPerson(other)).toBeNull();
  });
});

describe("reports", () => {
  it("are numbered by source, without repetitions of the page", () => {
    const book = new ReportBook();
    const flags = { save_data: false, vpn: false, roaming: false } as const;
    const wifi = { source: "network_information", class: "wifi", ...flags } as const;
    expect(book.ofPage(wifi)?.sequence).toBe(1);
    expect(book.ofPage(wifi)).toBeNull();
    expect(book.ofPage({ ...wifi, class: "cell" })?.sequence).toBe(2);
    expect(book.ofShell({ claim: { source: "shell", class: "5g", ...flags }, sequence: 40 })?.sequence).toBe(1);
    expect(book.ofShell({ claim: { source: "shell", class: "4g", ...flags }, sequence: 39 })).toBeNull();
    expect(book.again().map(({ source, class: claimed, sequence }) => [source, claimed, sequence])).toEqual([
      ["network_information", "cell", 3],
      ["shell", "5g", 2],
    ]);
  });
});

describe("the start rate", () => {
  it.each([
    [undefined, 1_800],
    [{ effectiveType: "4g" }, 1_800],
    [{ effectiveType: "3g" }, 400],
    [{ effectiveType: "2g" }, 120],
    [{ effectiveType: "4g", saveData: true }, 400],
  ])("for %j is %i kbit/s", (information, kbps) => {
    expect(startKbps(information)).toBe(kbps);
  });
});

describe("tile wishes", () => {
  it("are told when they differ enough, and always when a tile hides or shows", () => {
    const wishes = new TileWishes();
    const told = [720, 740, 800, 0, 0, 5, 100_000].map((lines) => wishes.change("t", lines)?.max_lines ?? null);
    expect(told).toEqual([720, null, 800, 0, null, 5, 4_320]);
    expect(wishes.all()).toEqual([{ track: "t", max_lines: 4_320 }]);
  });
});
