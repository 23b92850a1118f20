plugins {
    `java-library`
}

java {
    val version = JavaVersion.toVersion(libs.versions.java.get())
    sourceCompatibility = version
    targetCompatibility = version
}

dependencies {
    // The app brings the Android build of the same classes.
    compileOnly(libs.onnxruntime.desktop)
    implementation(libs.xz) // unpacks patches; pure Java
    testImplementation(libs.onnxruntime.desktop)
    testImplementation(libs.junit)
}

tasks.test {
    // Set before the JVM starts: Java itself cannot change its environment.
    environment("ORT_DISABLE_TELEMETRY", "1")
    // Bundles and Python's answers, as `make test-android` writes them: ./gradlew :core:test -Pfixtures=DIR
    (project.findProperty("fixtures") as String?)?.let { systemProperty("fixtures", it) }
}
