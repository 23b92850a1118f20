// swift-tools-version:5.5
import PackageDescription

// recpress.c and recpress.h come from a bundle of --format c: see README.md.
let package = Package(
    name: "CRecPress",
    products: [.library(name: "CRecPress", targets: ["CRecPress"])],
    targets: [
        .target(
            name: "CRecPress",
            path: "Sources/CRecPress",
            exclude: ["recpress.c"],  // which engine.c includes
            sources: ["engine.c"],
            publicHeadersPath: "include"
        )
    ],
    cLanguageStandard: .c99
)
