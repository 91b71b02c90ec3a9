import { defineConfig } from "vite";

// The gateway serves `dist/` under a strict Content-Security-Policy: nothing may be inlined, and no
// host but the gateway itself may be named.
export default defineConfig({
  base: "/",
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: {
    proxy: { "/api": { target: "http://127.0.0.1:8080", ws: true } },
  },
});
